"""Generates the Python stubs under `tokensvc_pb` from `protos/`, or with `--check` says whether they are fresh.

protoc derives Python module names from file names, so `tokensvc/v1/x.proto` would become `tokensvc.v1.x_pb2`, inside
the server's package. Only the module names are moved to `tokensvc_pb`: the file names in the descriptors stay those
that every other language sees.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

CLIENT = Path(__file__).resolve().parent
PROTOS = CLIENT.parents[1] / "protos"
STUBS = CLIENT / "tokensvc_pb"
MODULE = re.compile(r"(?<=from )tokensvc\.v1(?= import)|(?<=DESCRIPTOR, ')tokensvc\.v1(?=\.)")


def generate(into: Path) -> dict[str, str]:
    """Run protoc with scratch space `into`; answer the stubs by their path below `tokensvc_pb`."""
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    outputs = [f"--{kind}_out={into}" for kind in ("python", "pyi", "grpc_python", "mypy_grpc")]
    plugin = f"--plugin=protoc-gen-mypy_grpc={Path(sys.executable).parent / 'protoc-gen-mypy_grpc'}"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", plugin, *outputs, *sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter
    if done.returncode:
        sys.exit(done.stderr)
    stubs = {"__init__.py": "", "v1/__init__.py": "", "py.typed": ""}
    for path in sorted((into / "tokensvc").rglob("*.py*")):
        stubs[str(path.relative_to(into / "tokensvc"))] = MODULE.sub("tokensvc_pb.v1", path.read_text())
    return stubs


def main() -> int:
    """Write the stubs; with `--check` write nothing and answer 1 where they differ."""
    with tempfile.TemporaryDirectory() as scratch:
        stubs = generate(Path(scratch))
    present = {str(path.relative_to(STUBS)) for path in STUBS.rglob("*") if path.suffix in {".py", ".pyi", ".typed"}}
    stale = {name for name, text in stubs.items() if name not in present or (STUBS / name).read_text() != text}
    stale |= present - stubs.keys()
    if "--check" in sys.argv[1:]:
        if stale:
            sys.stderr.write(f"stale stubs, run `make proto`: {', '.join(sorted(stale))}\n")
        return 1 if stale else 0
    for name in stale:
        path = STUBS / name
        if name in stubs:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(stubs[name])
        else:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
