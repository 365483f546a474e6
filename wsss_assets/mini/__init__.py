"""The mini benchmark's drawing: scenes, maps of simulated models, and the folder of it all."""
