"""An example inventory: appliances reached over ssh. Copy it, name your hosts, set the knobs that differ.

pyinfra provisioning/inventory_ssh.py provisioning/deploy.py
"""

appliances = [
    (
        "appliance.internal",
        {
            "ssh_user": "admin",
            "ssh_key": "~/.ssh/id_ed25519",
            "connections_file": "secrets/connections.yaml",
        },
    ),
]
