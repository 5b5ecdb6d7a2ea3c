"""Opens models for computation."""

from __future__ import annotations

__all__ = ["opened"]

from pathlib import Path

import onnxruntime


def opened(model: Path) -> onnxruntime.InferenceSession:
    """Return a model that computes on the thread that asks it to, and on no other.

    Calls share the machine with the control plane and with each other: one core each is fair, and
    the result of one thread is the same every time.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # what a long sentence took is given back
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
