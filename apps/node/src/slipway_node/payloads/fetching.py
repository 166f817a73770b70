"""Fetching a payload: the document, then each file it names, checked before a byte is asked for."""

import asyncio
import contextlib
import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import assert_never
from urllib.parse import unquote, urljoin, urlsplit

from slipway_contracts.node_policy import uri_refusal
from slipway_node.payloads import bundle
from slipway_node.payloads.document import (
    DOCUMENT_NAME,
    INVALID,
    FileRef,
    PwDocument,
    ShellDocument,
    parse,
    relative_path,
)
from slipway_node.payloads.job import FetchedFile, FetchedJob, load
from slipway_node.payloads.limits import Limits
from slipway_node.payloads.pw_input import named_pseudos, refuse_cards_not_taken
from slipway_node.payloads.sources import Source, read, read_on_node
from slipway_node.ports import RefusedJobError

SHOWN_CHARS = 200
PW_SUFFIXES = (".in", ".pwi")
PSEUDO_FOLDERS = (Path("/usr/share/espresso/pseudo"),)  # where Debian's quantum-espresso-data has them

_BUNDLE_MEDIA_TYPES = ("application/gzip", "application/x-gzip", "application/x-tar+gzip", "application/zip")


@dataclass(frozen=True, slots=True)
class _Errand:
    """One payload on its way: what it may reach, what it may weigh, and where it goes."""

    base: str  # what relative URIs resolve against; empty for inline data
    bundled: Path | None  # the folder of an unpacked bundle, which relative URIs then stay in
    workspace: Path
    source: Source
    pseudo_folders: Sequence[Path]


async def fetch(
    input_uri: str,
    workspace: Path,
    prefixes: Sequence[str],
    limits: Limits | None = None,
    *,
    allow_private: bool = False,
    pseudo_folders: Sequence[Path] = PSEUDO_FOLDERS,
) -> FetchedJob:
    """Lay the payload out in ``workspace`` and return it; one that is complete there is taken as it is.

    Raises RefusedJobError: ``invalid_payload`` for what is wrong or missing, ``policy_rejected`` for a URI under no
    prefix, ``payload_unavailable`` (retryable) for a source that did not answer. Raises OSError where ``workspace``,
    which is the node's and not the job's, cannot be written. ``allow_private`` lets https reach private addresses.
    """
    with contextlib.suppress(RefusedJobError):
        return load(workspace)
    source = Source(tuple(prefixes), limits or Limits(), allow_private=allow_private)
    await asyncio.to_thread(_empty, workspace)
    job = await _fetch(input_uri, workspace, source, pseudo_folders)
    await asyncio.to_thread(job.save, workspace)
    return job


def _empty(workspace: Path) -> None:
    shutil.rmtree(workspace, ignore_errors=True)
    workspace.mkdir(parents=True, mode=0o700)


async def _fetch(input_uri: str, workspace: Path, source: Source, pseudo_folders: Sequence[Path]) -> FetchedJob:
    _check(input_uri, source.prefixes, "input_uri")
    name = _last_part(input_uri)
    content = await read(input_uri, source, "input_uri")
    base, bundled = ("" if input_uri.startswith("data:") else input_uri), None
    if bundle.is_bundle(content):
        bundled = workspace / "bundle"
        await asyncio.to_thread(bundle.unpack, content, bundled, source.limits)
        name, content = await asyncio.to_thread(bundle.document, bundled)
    elif len(content) > source.limits.document_bytes:
        raise RefusedJobError(INVALID, f"{name}: a job document has at most {source.limits.document_bytes} bytes")
    errand = _Errand(base, bundled, workspace, source, pseudo_folders)
    text = _decoded(content, name)
    if name.endswith(PW_SUFFIXES) or _is_bare_pw(text):
        return await _bare_pw(text, name, errand)
    document = parse(text, name)
    match document:
        case ShellDocument():
            refs = document.files
            files = {key: await _take(ref, f"files.{key}", errand) for key, ref in refs.items()}
            _refuse_clashes(files)
            return FetchedJob(document=document, files=files)
        case PwDocument():
            return await _pw(document, errand)
        case _:
            assert_never(document)


async def _bare_pw(text: str, name: str, errand: _Errand) -> FetchedJob:
    """Take a bare pw.x input as the document that names it, its pseudopotentials beside it or on the node."""
    target = errand.workspace / "files" / "input" / _safe_name(name if name.endswith(PW_SUFFIXES) else "pw.in")
    refuse_cards_not_taken(text)
    target.parent.mkdir(parents=True)
    target.write_text(text, encoding="utf-8")
    document = PwDocument(slipway=1, kind="quantumespresso.pw", input=FileRef(uri=name))
    files = {"input": FetchedFile(path=str(target.relative_to(errand.workspace)), name=target.name)}
    files |= await _pseudos_named_in(text, errand)
    return FetchedJob(document=document, files=files)


async def _pw(document: PwDocument, errand: _Errand) -> FetchedJob:
    files = {"input": await _take(document.input, "input.uri", errand)}
    text = _decoded((errand.workspace / files["input"].path).read_bytes(), document.input.uri)
    refuse_cards_not_taken(text)
    for species, ref in document.pseudos.items():
        files[f"pseudos.{species}"] = await _take(ref, f"pseudos.{species}", errand)
    if not document.pseudos and document.family is None:
        files |= await _pseudos_named_in(text, errand)
    return FetchedJob(document=document, files=files)


async def _pseudos_named_in(text: str, errand: _Errand) -> dict[str, FetchedFile]:
    """Find the pseudopotentials that the input names, first beside it, then in the node's own folders."""
    files: dict[str, FetchedFile] = {}
    for species, file_name in named_pseudos(text).items():
        field = f"ATOMIC_SPECIES {species}"
        on_node = next((path for folder in errand.pseudo_folders if _is_file(path := folder / file_name)), None)
        if on_node is not None and not _is_beside(file_name, errand):
            content = await read_on_node(on_node, errand.source, field)
            files[f"pseudos.{species}"] = await _keep(content, f"pseudos.{species}", on_node.name, errand)
            continue
        files[f"pseudos.{species}"] = await _take(FileRef(uri=file_name), field, errand)
    return files


def _is_beside(file_name: str, errand: _Errand) -> bool:
    """Tell whether the file is in the bundle or the local folder of the input; a remote one is not asked for twice."""
    if errand.bundled is not None:
        return (errand.bundled / file_name).is_file()
    parts = urlsplit(errand.base)
    return parts.scheme == "file" and _is_file(Path(unquote(parts.path)).parent / file_name)


def _is_file(path: Path) -> bool:
    """Tell whether it is one, for all that this account may know."""
    with contextlib.suppress(PermissionError):
        return path.is_file()
    return False


async def _take(ref: FileRef, field: str, errand: _Errand) -> FetchedFile:
    """Fetch one file of the document to ``files/<key>/<name>`` below the workspace."""
    name = ref.name or _safe_name(_last_part(ref.uri))
    key = field.removeprefix("files.").removesuffix(".uri").replace("ATOMIC_SPECIES ", "pseudos.")
    absolute = bool(urlsplit(ref.uri).scheme)
    if errand.bundled is not None and not absolute:
        content = await asyncio.to_thread(bundle.member, errand.bundled, ref.uri, field)
    else:
        uri = ref.uri if absolute else _resolved(ref.uri, errand.base, field)
        _check(uri, errand.source.prefixes, field)
        content = await read(uri, errand.source, field)
    if ref.sha256 is not None and hashlib.sha256(content).hexdigest() != ref.sha256:
        raise RefusedJobError(INVALID, f"{field}: {ref.uri} is not the file that sha256 names")
    return await _keep(content, key, name, errand)


async def _keep(content: bytes, key: str, name: str, errand: _Errand) -> FetchedFile:
    target = errand.workspace / "files" / key / PurePosixPath(name).name
    await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
    await asyncio.to_thread(target.write_bytes, content)
    return FetchedFile(path=str(target.relative_to(errand.workspace)), name=name)


def _resolved(uri: str, base: str, field: str) -> str:
    if not base:
        raise RefusedJobError(INVALID, f"{field}: an inline document has no folder that {uri} could be relative to")
    try:
        relative_path(unquote(uri))
    except ValueError as error:
        raise RefusedJobError(INVALID, f"{field}: {uri} {error}") from error
    scheme, _, rest = base.partition(":")  # urljoin joins known schemes only, and s3 is none of them
    return f"{scheme}:{urljoin('https:' + rest, uri).removeprefix('https:')}"


def _check(uri: str, prefixes: Sequence[str], field: str) -> None:
    refusal = uri_refusal(uri, prefixes)
    if refusal is not None:
        shown = re.sub(r"//[^/]*@", "//…@", uri.partition("?")[0])[:SHOWN_CHARS]  # no secret, no inline document
        raise RefusedJobError("policy_rejected", f"{field}: {shown}: {refusal}")


def _refuse_clashes(files: dict[str, FetchedFile]) -> None:
    seen: dict[str, str] = {}
    for key, file in files.items():
        other = seen.setdefault(file.name, key)
        if other != key:
            raise RefusedJobError(INVALID, f"files.{key}: {file.name} is also the name of files.{other}")


def _last_part(uri: str) -> str:
    if uri.startswith("data:"):
        return DOCUMENT_NAME
    return PurePosixPath(unquote(urlsplit(uri).path)).name or DOCUMENT_NAME


def _safe_name(name: str) -> str:
    return name if name not in {"", ".", ".."} else "file"


def _is_bare_pw(text: str) -> bool:
    """Tell a pw.x input by its first namelist, for one that comes inline and has no file name."""
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line and not line.startswith("!")), "").lower().startswith("&control")


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedJobError(INVALID, f"{name}: not UTF-8 text, nor a .tar.gz or .zip bundle") from error
