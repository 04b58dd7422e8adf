"""Turns the fetched packages into training and held-out documents, and writes the manifest."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

from aix_lsp.training import corpus
from aix_lsp.training.corpus import DuplicateFilter
from training.documents import write
from training.fetch import Package, read_sources

log = logging.getLogger(__name__)

MANIFEST = Path(__file__).with_name("manifest.tsv")


def collect(work: Path, packages: list[Package]) -> None:
    """Write `train.jsonl` and `heldout.jsonl`; held-out packages come first, so that no copy of them is trained on."""
    _, caps, _ = read_sources()
    seen = DuplicateFilter()
    rows = ["kind\tpackage\tversion\tlicence\tuse\tfiles\tbytes"]
    shares: Counter[str] = Counter()
    for held_out in (True, False):
        documents: list[corpus.Document] = []
        for package in (p for p in packages if p.held_out == held_out):
            root = _text_root(work / "packages" / package.kind / package.folder)
            found = list(corpus.gather(root, package.name, caps[package.kind], seen))
            documents += found
            size = sum(len(d.text.encode()) for d in found)
            use = "held out" if held_out else "trained on"
            rows.append(
                f"{package.kind}\t{package.name}\t{package.version}\t{package.licence}\t{use}\t{len(found)}\t{size}"
            )
            for document in found:
                shares[f"{use} {document.language}"] += len(document.text.encode())
        write(work / ("heldout.jsonl" if held_out else "train.jsonl"), documents)
    MANIFEST.write_text("\n".join(rows) + "\n")
    log.info("bytes: %s", ", ".join(f"{name} {size:,}" for name, size in shares.most_common()))


def _text_root(place: Path) -> Path:
    """Where meaningful paths begin: below folders that only wrap the package."""
    for wrapper in ("usr/share/gocode/src", "usr/share/cargo/registry", "package"):
        if (place / wrapper).is_dir():
            return place / wrapper
    return place
