# SPDX-License-Identifier: GPL-2.0-only
"""Signed policies: a gateway that requires a signature takes nothing else, by whichever
command, and says which key it expected.
"""
import os
import pathlib
import subprocess
import tempfile

from kit import equal
from ks import BINARY, Keyswitch
from plant import PORT_C, PORT_S, Plant, run
from test_cli import ENVIRONMENT, OPEN, PROBLEM, USAGE, refused, write_arrives


def keygen(folder, name):
    """(secret key's file, line of the public one, id)"""
    said = run(BINARY, "keygen", folder / name).stdout
    return (folder / f"{name}.key", (folder / f"{name}.pub").read_text(encoding="utf-8"),
            said.split()[1].rstrip(":"))


def sign(policy, key):
    run(BINARY, "sign", "--key", key, policy)
    return pathlib.Path(f"{policy}.sig")


def require(ks, *lines):
    ks.state_dir.mkdir(exist_ok=True)
    (ks.state_dir / "require_signature").write_text("# who may push\n" + "".join(lines),
                                                    encoding="utf-8")


def test_required():
    """Unsigned, by another key, changed: refused by attach, apply, shadow and rollback."""
    with Plant() as plant:
        log = plant.modbus_server()
        plant.wire()
        ks = Keyswitch(plant)
        key, public, number = keygen(plant.dir, "alice")
        other, _, other_number = keygen(plant.dir, "mallory")
        pair = ("attach", "--policy", ks.policy, "--wire", f"{PORT_C}:{PORT_S}", "--adopt", "off")
        require(ks, public)
        refused(ks.cmd(*pair, check=False), PROBLEM, "is not signed", f"{ks.policy}.sig", number,
                "alice")
        assert not ks.pins.exists() or not list(ks.pins.iterdir()), "something was attached"
        sign(ks.policy, other)
        refused(ks.cmd(*pair, check=False), PROBLEM, f"signed by key {other_number}",
                f"expected a signature by key {number} (alice)")
    with Plant() as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant)
        key, public, number = keygen(plant.dir, "alice")
        other, _, other_number = keygen(plant.dir, "mallory")
        ks.attach()     # before a signature is required
        require(ks, public)
        policy = ks.write_policy("open.yaml", OPEN)
        signed = sign(policy, key)
        good = signed.read_bytes()
        text = policy.read_bytes()
        for verb in ("apply", "shadow"):
            for spoil, words in (
                    (lambda: signed.unlink(), ("is not signed", number)),
                    (lambda: sign(policy, other), (f"signed by key {other_number}", number)),
                    (lambda: policy.write_bytes(text + b"#\n"), ("does not hold", number)),
                    (lambda: signed.write_bytes(good.replace(b"=", b"A")), ("no signature", number)),
                    (lambda: signed.write_bytes(flipped(good)), ("does not hold", number)),
                    (lambda: signed.write_bytes(b""), ("no signature", number)),
                    (lambda: signed.write_bytes(stolen(good, other_number)),
                     (f"signed by key {other_number}",))):
                spoil()
                refused(ks.cmd(verb, policy, check=False), PROBLEM, *words)
                policy.write_bytes(text)
                signed.write_bytes(good)
        assert not write_arrives(plant, log), "write after refused policies"
        equal((ks.json("status")["generation"], ks.json("status")["shadow"]), (1, None), "status")
        ks.cmd("apply", policy)
        assert write_arrives(plant, log), "write under a signed policy"
        refused(ks.cmd("rollback", check=False), PROBLEM, "is not signed", "policies/", number)
        assert write_arrives(plant, log), "write after a refused rollback"
        sign(ks.policy, key)
        ks.cmd("shadow", ks.policy)
        ks.cmd("promote")
        assert not write_arrives(plant, log), "write after promote"
        ks.cmd("rollback")
        assert write_arrives(plant, log), "write after rollback to a signed policy"
        # the copies are signed as well: the next boot takes them
        ks.cmd("detach", "--yes")
        ks.cmd("attach", "--wire", f"{PORT_C}:{PORT_S}", "--adopt", "off")
        assert write_arrives(plant, log), "write under the policy of the boot"
        ks.cmd("shadow", ks.policy)
        for copy in (ks.state_dir / "policies").glob("*.sig"):
            copy.unlink()
        refused(ks.cmd("promote", check=False), PROBLEM, "is not signed")
        ks.cmd("detach", "--yes")
        refused(ks.cmd("attach", "--wire", f"{PORT_C}:{PORT_S}", "--adopt", "off", check=False),
                PROBLEM, "is not signed")


def flipped(signature):
    word, number, text = signature.split()
    return b" ".join((word, number, (b"B" if text[:1] == b"A" else b"A") + text[1:])) + b"\n"


def stolen(signature, number):
    return signature.replace(signature.split()[1], number.encode())


def test_list_of_keys():
    """A list that cannot be trusted or read lets nothing in."""
    with Plant() as plant:
        ks = Keyswitch(plant).attach()
        key, public, number = keygen(plant.dir, "alice")
        _, second, second_number = keygen(plant.dir, "bob")
        sign(ks.policy, key)
        listed = ks.state_dir / "require_signature"
        for lines, mode, owner, words in (
                ((), 0o644, 0, ("holds no public key",)),
                (("ed25519 none\n",), 0o644, 0, ("require_signature:2",)),
                ((key.read_text(encoding="utf-8"),), 0o644, 0, ("require_signature:2",)),
                ((public,), 0o666, 0, ("written by others",)),
                ((public,), 0o644, 65534, ("written by others",)),
                ((second,), 0o644, 0, (f"signed by key {number}", f"{second_number} (bob)"))):
            require(ks, *lines)
            listed.chmod(mode)
            os.chown(listed, owner, 0)
            refused(ks.cmd("apply", ks.policy, check=False), PROBLEM, *words)
        listed.unlink()
        listed.symlink_to(plant.dir / "alice.pub")
        refused(ks.cmd("apply", ks.policy, check=False), ENVIRONMENT, "require_signature")
        listed.unlink()
        equal(ks.json("status")["generation"], 1, "generation")
        require(ks, second, public)
        listed.chmod(0o644)
        ks.cmd("apply", ks.policy)


def test_sign():
    """The commands: what they make, what they refuse, nothing written over."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        policy, broken = folder / "policy.yaml", folder / "broken.yaml"
        policy.write_text("version: 1\nassets: {plc: 10.2.0.1}\n", encoding="utf-8")
        broken.write_text("version: 1\nassets: {plc: 10.2.0.300}\n", encoding="utf-8")
        key, _, number = keygen(folder, "alice")
        equal((key.stat().st_mode & 0o777, (folder / "alice.pub").stat().st_mode & 0o777),
              (0o600, 0o644), "modes")
        secret = key.read_bytes()

        def try_(*argv):
            return run(BINARY, *argv, check=False)
        refused(try_("keygen", folder / "alice"), ENVIRONMENT, "alice.key", "File exists")
        equal(key.read_bytes(), secret, "the key after a second keygen")
        (folder / "bob.pub").write_text("", encoding="utf-8")
        refused(try_("keygen", folder / "bob"), ENVIRONMENT, "bob.pub")
        assert not (folder / "bob.key").exists(), "half a key"
        for argv, code, words in (
                (("keygen",), USAGE, ("no name",)),
                (("keygen", "a", "b"), USAGE, ("'b'",)),
                (("sign", policy), USAGE, ("no key",)),
                (("sign", "--key", key), USAGE, ("no policy",)),
                (("sign", "--key", key, policy, "more"), USAGE, ("'more'",)),
                (("sign", "--key", folder / "none.key", policy), PROBLEM, ("none.key",)),
                (("sign", "--key", folder / "alice.pub", policy), PROBLEM, ("no secret key",)),
                (("sign", "--key", policy, policy), PROBLEM, ("no secret key",)),
                (("sign", "--key", key, folder / "none.yaml"), PROBLEM, ("none.yaml",)),
                (("sign", "--key", key, broken), PROBLEM, ("broken.yaml:2:15", "10.2.0.300"))):
            refused(try_(*argv), code, *words)
        equal(sorted(p.name for p in folder.glob("*.sig")), [], "signatures after refusals")
        said = run(BINARY, "--json", "sign", "--key", key, policy).stdout
        assert number in said, said
        signed = (folder / "policy.yaml.sig").read_text(encoding="utf-8")
        assert signed.startswith(f"ed25519 {number} "), signed
        for verb in ("keygen", "sign"):
            assert "Usage" in run(BINARY, verb, "--help").stdout, verb
        full = subprocess.run(["sh", "-c", f"ulimit -f 0; trap '' XFSZ; {BINARY} sign --key {key} "
                               f"{policy}"], capture_output=True, text=True, check=False)
        equal(full.returncode, ENVIRONMENT, full.stderr)
        equal((folder / "policy.yaml.sig").read_text(encoding="utf-8"), signed, "without room")
