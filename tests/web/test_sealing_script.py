"""The built script that seals in the browser, run by node: libsodium opens its boxes; it asks what the server asks."""

import json
import shutil
import subprocess
import sys
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox

from citadel.domain.exchanges import cleaned, exchanges, faults, fields_of
from citadel.sealing import SealedForAnother, unseal

JS = Path(__file__).parents[2] / "obscura/assets/dist/js"
NODE = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")
ACCOUNT = "0193a5d2c1e07a3b8f4455aa66bb77cc"
PAIR = PrivateKey(bytes(range(32)))
KEYS = {"apiKey": "k" * 64, "secret": "s" * 64}

pytestmark = pytest.mark.skipif(NODE is None, reason="node comes with requirements/dev.txt")


def run(code, given):
    """What the code says to `given`, with the module's functions at hand. No text may become code in it."""
    [module] = JS.glob("sealing-*.js")
    head = f"import {{seal, faultOf}} from {json.dumps(str(module))}; const given = JSON.parse(process.argv[1]);"
    command = [NODE, "--disallow-code-generation-from-strings", "--input-type=module", "-e"]
    command += [f"{head} console.log(JSON.stringify({code}))", json.dumps(given)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def sealed(*, tenant=7, pair=PAIR, times=1, **fields):
    key = b64encode(bytes(pair.public_key)).decode()
    given = {"key": key, "tenant": tenant, "account": ACCOUNT, "fields": fields or KEYS}
    return [b64decode(box, validate=True) for box in run(f"Array.from({{length: {times}}}, () => seal(given))", given)]


def test_libsodium_opens_what_the_script_made():
    [box] = sealed()

    assert SealedBox(PAIR).decrypt(box).decode() == (
        '{"v":2,"tenant":7,"account":"0193a5d2c1e07a3b8f4455aa66bb77cc","fields":'
        f'{{"apiKey":"{"k" * 64}","secret":"{"s" * 64}"}}}}'
    )
    assert unseal(intake=PAIR, tenant=7, account=bytes.fromhex(ACCOUNT), sealed=box) == KEYS
    with pytest.raises(SealedForAnother):
        unseal(intake=PAIR, tenant=8, account=bytes.fromhex(ACCOUNT), sealed=box)
    with pytest.raises(CryptoError):
        SealedBox(PrivateKey.generate()).decrypt(box)


@pytest.mark.parametrize("size", [1, 15, 16, 17, 63, 64, 65, 4096])
def test_boxes_of_every_size_open(size):
    [box] = sealed(secret="x" * size)

    assert unseal(intake=PAIR, tenant=7, account=bytes.fromhex(ACCOUNT), sealed=box) == {"secret": "x" * size}


def test_whatever_is_typed_arrives_as_it_was():
    text = '"\\/\b\f\n\r\t\x01\x7f\u2028é€😀</script>'
    [box] = sealed(secret=text)

    assert unseal(intake=PAIR, tenant=7, account=bytes.fromhex(ACCOUNT), sealed=box) == {"secret": text}


def test_no_two_boxes_have_anything_in_common():
    made = sealed(times=20)

    assert len({box[:32] for box in made}) == 20
    assert len({box[48:64] for box in made}) == 20


TEXTS = (
    "", "x", "k" * 63, "k" * 64, "k" * 65, "k" * 512, "k" * 513, "k" * 4096, "k" * 4097, "a b", "k" * 60 + "\r\nX:",
    "line\nline", "é", "\u0660" * 64, "😀" * 300, "\u202e", "\x7f", "0x" + "a" * 40, "0x" + "A" * 64, "g" * 64,
    "12345678901", "1234567890", "dydx1" + "a" * 38, "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END",
)  # fmt: skip


def test_the_script_finds_what_the_server_finds_at_every_exchange():
    fields = [(code, field) for code in exchanges() for field in fields_of(code)]
    given = {"texts": TEXTS, "rules": [[(rule.pattern, rule.words) for rule in field.rules] for _, field in fields]}

    found = run("given.rules.map(rules => given.texts.map(text => faultOf(rules, text)))", given)

    for (code, field), said in zip(fields, found, strict=True):
        for text, words in zip(TEXTS, said, strict=True):
            expected = [one.words for one in faults(code, cleaned({field.name: text})) if one.field == field.name]
            assert [words] == (expected or [""]), (code, field.name, text[:20])
