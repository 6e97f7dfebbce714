"""Where text comes from: sources, token tables, batches; `tfdata` is the adapter to tf.data."""
