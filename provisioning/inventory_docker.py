"""An example inventory: a running container that boots systemd, to try a deploy without a VM.

pyinfra provisioning/inventory_docker.py provisioning/deploy.py
"""

appliances = [("@docker/appliance-vm", {"firewall": False})]
