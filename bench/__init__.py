"""What the appliance costs, measured beside what anyone could do by hand, on the same data and servers."""
