"""``python -m appliance`` is the command line."""

from appliance.cli.entry import main

if __name__ == "__main__":
    main()
