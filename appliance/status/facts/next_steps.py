"""What to type where a part of the appliance does not work."""

from __future__ import annotations

from pathlib import Path

_SYSTEMD = Path("/run/systemd/system")
"""There where systemd is the machine's init, as its own sd_booted() asks."""
_UNITS = {
    "postgres": "postgresql",
    "airflow_database": "postgresql",
    "docker": "docker",
    "scheduler": "appliance-scheduler",
    "dag_processor": "appliance-dag-processor",
    "triggerer": "appliance-triggerer",
    "api_server": "appliance-api-server",
    "status": "appliance-upkeep",
}


def next_step(component: str, state_dir: Path, *, with_systemd: bool | None = None) -> str:
    """The command that shows why the part does not work."""
    if component == "disk":
        return f"appliance exports list; df -h {state_dir}"
    unit = _UNITS.get(component)
    if unit is None:
        return "appliance diagnostics"
    if _SYSTEMD.is_dir() if with_systemd is None else with_systemd:
        return f"systemctl status {unit}; journalctl -u {unit} -n 50"
    return (
        f"docker compose logs --tail 50 {unit.removeprefix('appliance-').replace('postgresql', 'postgres')}"
    )
