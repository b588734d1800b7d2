"""The representative weeks, one module per system: from rows and fleets of a year to a case that any worker can simulate."""
