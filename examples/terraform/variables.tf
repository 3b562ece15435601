variable "subnet_id" {
  description = "A private subnet that reaches the databases, the dashboard and Debian's mirror."
  type        = string
}

variable "bundle_address" {
  description = "From where the release is fetched: in the command that the dashboard prints."
  type        = string
}

variable "bundle" {
  description = "The bundle's name, for example appliance-1.2.3-x86_64.tar."
  type        = string
  validation {
    condition     = can(regex("^appliance-[0-9][0-9A-Za-z.+-]*-(x86_64|aarch64)\\.tar$", var.bundle))
    error_message = "A bundle is called appliance-VERSION-ARCHITECTURE.tar, as the printed command has it."
  }
}

variable "bundle_sha256" {
  description = "The bundle's SHA-256, from the same command."
  type        = string
  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.bundle_sha256))
    error_message = "A SHA-256 has 64 hexadecimal digits."
  }
}

variable "release_root_sha256" {
  description = "The SHA-256 of the release repository's root of trust, from the same command."
  type        = string
  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.release_root_sha256))
    error_message = "A SHA-256 has 64 hexadecimal digits."
  }
}

variable "dashboard_url" {
  description = "The dashboard's address, from the same command."
  type        = string
}

variable "name" {
  description = "What the VM is called."
  type        = string
  default     = "data-privacy-appliance"
}

variable "instance_type" {
  description = "At least 2 cores and 4 GB of memory; of the bundle's architecture, as t4g.medium for aarch64."
  type        = string
  default     = "t3.medium"
}

variable "disk_gb" {
  description = "Releases, run folders and exports."
  type        = number
  default     = 60
}
