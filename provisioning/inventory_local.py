"""An example inventory: this very machine becomes the appliance. Run pyinfra on it, as root or with sudo.

pyinfra provisioning/inventory_local.py provisioning/deploy.py
"""

appliances = ["@local"]
