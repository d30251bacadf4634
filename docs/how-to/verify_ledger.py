"""Check an export of an ipsync ledger, or one proof of it, without ipsync: `python verify_ledger.py FILE [KEY]`.

Needs Python and the library `cryptography`, for the signature alone. FILE is what `ipsync ledger export`
wrote, or what `ipsync ledger prove DOCUMENT --json` printed. KEY is the public key, 64 hex digits, as the
operator told it to you some other way; without it, only that the file agrees with itself is checked.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def check_head(head, key):
    """Raise unless the head is signed by the key."""
    if key is not None and head["key"] != key:
        raise SystemExit("it is signed by another key")
    message = f"ipsync ledger head 1\n{head['sequence']}\n{head['at']}\n{head['hash']}\n"
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(head["key"]))
    public.verify(bytes.fromhex(head["signature"]), message.encode())


def check_export(file, key):
    """Raise unless each line follows from the one before, up to the signed head. Returns how many there are."""
    header = json.loads(file.readline())
    check_head(header["head"], key)
    sequence, before = header["first"] - 1, bytes.fromhex(header["before"])
    for line in file:
        sequence += 1
        # The last name of a line is its hash; without it, the line is what was hashed.
        entry, told = line[:-76] + b"}", line[-67:-3].decode()
        before = sha256(before + sha256(entry).digest()).digest()
        if json.loads(entry)["sequence"] != sequence or before.hex() != told or line[-76:-67] != b',"hash":"':
            raise SystemExit(f"entry {sequence} is not what was written, or not in its place")
    if (sequence, before.hex()) != (header["head"]["sequence"], header["head"]["hash"]):
        raise SystemExit(f"it ends at entry {sequence}, and not as its head was signed")
    return sequence


def check_proof(proof, key):
    """Raise unless the entry is about the subject, and leads to the signed head."""
    entry, kind = dict(proof["entry"]), proof["subject"].split()[0]
    if sha256(bytes.fromhex(proof["opening"]) + proof["subject"].encode()).hexdigest() != entry[kind]:
        raise SystemExit(f"the entry is not about {proof['subject']}")
    told = entry.pop("hash")
    written = json.dumps(entry, separators=(",", ":")).encode()
    digest = sha256(bytes.fromhex(proof["before"]) + sha256(written).digest()).digest()
    if digest.hex() != told:
        raise SystemExit("the entry is not what was written")
    for later in proof["path"]:
        digest = sha256(digest + bytes.fromhex(later)).digest()
    if (entry["sequence"] + len(proof["path"]), digest.hex()) != (proof["head"]["sequence"], proof["head"]["hash"]):
        raise SystemExit("the entry does not lead to the head")
    check_head(proof["head"], key)


def main(path, key=None):
    """Check one file and say so."""
    with Path(path).open("rb") as file:
        if b"ipsync-ledger-1" in file.readline():
            file.seek(0)
            print(f"whole, up to entry {check_export(file, key)}")
            return
        file.seek(0)
        for erased in json.load(file)["erased"]:
            check_proof(erased["evidence"], key)
            print(f"proven: {erased['evidence']['subject']} ({erased['scope']}), gone at {erased['gone_at']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
