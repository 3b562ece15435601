# One appliance on AWS: a VM in a subnet of yours, with an encrypted disk, no port open to anyone, and a role that
# allows Session Manager and nothing else. Databases let its security group in, which is an output.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

data "aws_subnet" "here" {
  id = var.subnet_id
}

data "aws_ami" "debian" {
  most_recent = true
  # Debian's own account.
  owners = ["136693071363"]
  filter {
    name   = "name"
    values = [endswith(var.bundle, "-aarch64.tar") ? "debian-13-arm64-*" : "debian-13-amd64-*"]
  }
}

resource "aws_security_group" "appliance" {
  name_prefix = "${var.name}-"
  description = "The appliance: ways out, none in"
  vpc_id      = data.aws_subnet.here.vpc_id
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

data "aws_iam_policy_document" "by_ec2" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "appliance" {
  name_prefix        = "${var.name}-"
  assume_role_policy = data.aws_iam_policy_document.by_ec2.json
}

resource "aws_iam_role_policy_attachment" "session_manager" {
  role       = aws_iam_role.appliance.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "appliance" {
  name_prefix = "${var.name}-"
  role        = aws_iam_role.appliance.name
}

resource "aws_instance" "appliance" {
  ami                    = data.aws_ami.debian.id
  instance_type          = var.instance_type
  subnet_id              = var.subnet_id
  vpc_security_group_ids = [aws_security_group.appliance.id]
  iam_instance_profile   = aws_iam_instance_profile.appliance.name
  user_data = templatefile("${path.module}/user-data.yaml.tftpl", {
    address     = var.bundle_address
    bundle      = var.bundle
    sha256      = var.bundle_sha256
    root_sha256 = var.release_root_sha256
    dashboard   = var.dashboard_url
  })

  # Steps in containers must not reach the machine's credentials.
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    encrypted   = true
    volume_size = var.disk_gb
  }

  # A newer image or another release's address is no reason to make the machine, and its keys, anew.
  lifecycle {
    ignore_changes = [ami, user_data]
  }

  tags = { Name = var.name }
}
