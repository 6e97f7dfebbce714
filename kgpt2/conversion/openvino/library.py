"""OpenVINO, imported without its telemetry, which looks up an analytics host at every import."""

import sys

_TELEMETRY = "openvino_telemetry"
_before = sys.modules.get(_TELEMETRY)
sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # it cannot be imported now, so OpenVINO takes its stub
try:
    import openvino as ov
    from openvino import Type
    from openvino import opset15 as op
finally:
    del sys.modules[_TELEMETRY]
    if _before is not None:
        sys.modules[_TELEMETRY] = _before

__all__ = ["Type", "op", "ov"]
