"""Travel of residents in the central cities: demand by segment, level of service, choice of mode, road traffic, needs."""
