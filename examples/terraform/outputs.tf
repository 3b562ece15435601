output "security_group_id" {
  description = "What the databases' security groups let in."
  value       = aws_security_group.appliance.id
}

output "instance_id" {
  description = "For aws ssm start-session --target."
  value       = aws_instance.appliance.id
}
