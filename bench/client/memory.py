"""Owns how much memory a verifier needs for the revocations that it knows, and what it costs to take one in."""

import gc
import multiprocessing
import time
from collections.abc import Mapping
from typing import Any

import psutil
from google.protobuf.timestamp_pb2 import Timestamp
from tokensvc_client.revocations.view import RevocationView
from tokensvc_pb.v1 import token_service_pb2 as pb


def measure(entries: int) -> Mapping[str, Any]:
    """Fill a view in a process of its own, in which nothing else has been done before."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_fill, (entries,))


def _fill(entries: int) -> Mapping[str, Any]:
    expires_at = Timestamp(seconds=int(time.time()) + 3600)
    before, began = _resident_bytes(), time.process_time()
    view = RevocationView()
    for number in range(entries):
        view.apply(pb.Revocation(revision=number, session_id=f"ended-{number:016}", expires_at=expires_at))
    seconds, after = time.process_time() - began, _resident_bytes()
    assert view.size == entries
    return {
        "entries": entries,
        "resident_mib_before": round(before / 2**20, 1),
        "resident_mib_after": round(after / 2**20, 1),
        "bytes_an_entry": round((after - before) / entries, 1),
        "apply_us": round(seconds / entries * 1e6, 2),
    }


def _resident_bytes() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)
