"""The scripts behind the figures; run one as `python -m benchmarks.ROOM.NAME`, from the root of the repository."""
