"""Every copy that the appliance ever made, and how long each may stay."""
