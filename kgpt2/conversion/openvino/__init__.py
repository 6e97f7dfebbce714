"""A checkpoint as OpenVINO's own tools read it, and the parts that it shares with the runtime on CPUs."""
