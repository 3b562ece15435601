"""Every knob of the deploy, with its default.

Set another value in an inventory (as data of the host), or on the command line with ``--data NAME=VALUE``.
Paths are on the machine that runs pyinfra. ``None`` means off, or worked out from what the host has.
"""

# The release to install: a bundle made by `make bundle`. None takes the newest in build/bundle/.
release_bundle = None
# No internet at all: the Debian packages come from the bundle too (made with `make bundle DEBS=CODENAME`).
offline = False
# The release repository's address; None is /releases/ of the dashboard.
release_repository = None
# The SHA-256 of its root of trust, as `appliance-release list` prints it: the release is held against it, and
# from then on the machine installs nothing else. None: nothing is pinned, and nothing fetched.
release_root_sha256 = None
# A copy of that repository on the host itself, as on a stick, instead of its server.
release_repository_folder = None
# The most that fetching a release takes of the network, in KiB a second. None: all of it.
release_kib_per_s = None
# How long a release is watched after a move to it, in minutes, and left again if it fails.
release_watch_minutes = 30
# How many releases stay installed: the one that runs, the one before it and a pinned one always.
releases_kept = 3
# Checks of `appliance preflight` that may fail without ending the deploy, e.g. ["memory"]. Warnings never do.
preflight_in_spite_of: list[str] = []

# A mirror of the distribution's archive that is used instead of its own servers, e.g. "http://mirror.internal/debian".
package_mirror = None
# The same for security updates, e.g. "http://mirror.internal/debian-security".
package_mirror_security = None
# The keyring that signs the mirror, where it is not the distribution's own.
package_mirror_keyring = None

# A proxy for everything that leaves the VM, e.g. "http://proxy.internal:3128". It may not hold a password.
http_proxy = None
# A file with USER:PASSWORD for that proxy, uploaded as a secret.
http_proxy_credentials_file = None
# Names and networks that are reached without the proxy. Databases never go through it.
no_proxy = "localhost,127.0.0.1,::1"
# A PEM file with the certificate authorities of a company that inspects TLS. Trusted by the whole VM.
site_ca = None

# Networks for Docker's bridges, in the form of daemon.json. Change them where they meet your own networks.
docker_address_pools = [{"base": "172.29.0.0/16", "size": 24}]
# Bounds of each container's log.
docker_log_max_size = "10m"
docker_log_max_files = 3

# The port in the name of PostgreSQL's socket, /run/postgresql/.s.PGSQL.<port>. Nothing listens on TCP.
postgres_port = 5432
# Memory for PostgreSQL's shared buffers, in MB.
postgres_shared_buffers_mb = 64

# Ceilings of all services together: memory in MB, CPU in percent of one core.
services_memory_mb = 1536
services_cpu_percent = 150
# Ceilings of all step containers together. None: the memory that the services leave, and 90 % of all cores.
steps_memory_mb = None
steps_cpu_percent = None
# How many step containers may run at a time.
steps_parallel = 4

# Where the status service listens. Another address than loopback needs the two files below.
status_host = "127.0.0.1"
status_port = 8642
status_tls_certificate = None
status_tls_key = None

# The dashboard's URL, and the file with the one-time enrolment token from its page.
dashboard_url = None
enrolment_token_file = None

# A collector that takes traces of runs and steps by OTLP over HTTP, as http://127.0.0.1:4318.
traces_endpoint = None

# connections.yaml, policy.yaml and workflow files to upload. None leaves what is on the host alone.
connections_file = None
policy_file = None
workflow_files: list[str] = []
# Certificates that connections.yaml names, uploaded into /etc/appliance/certs: {"db.pem": "certs/db.pem"}.
certificates: dict[str, str] = {}

# Let in nothing but ssh (on the port that the running sshd uses), and keep steps away from the host itself.
firewall = True
# Further TCP ports to let in, and ports of the host that step containers may reach (a database on this VM).
firewall_allow_tcp: list[int] = []
firewall_allow_from_steps_tcp: list[int] = []

# Task logs are deleted when they are older than this, or the oldest first when they are larger together.
task_log_max_days = 30
task_log_max_mb = 512
# Exports and receipts on this VM are deleted when they are older than so many days (None: never).
exports_max_days = 30
receipts_max_days = 3650
# Who is notified of failures: what stands under `notify` in appliance.yaml. The files that it names hold the
# secrets, and must be readable by the group appliance.
notify: dict[str, object] = {}
# The most that the journal of this VM may take on disk.
journal_max_mb = 512
