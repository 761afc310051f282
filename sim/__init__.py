"""What happens: queueing theory of a station, and the simulation of the same station."""
