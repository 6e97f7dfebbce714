"""How text comes out: settings, logits processors, the loop, and the runtime that computes logits."""
