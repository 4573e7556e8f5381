"""Root keys: only from files that nobody else can read, and only of the right form."""

import base64
import os

import pytest

from acrel_link.keys.errors import RootKeyError
from acrel_link.keys.root import RootKey, RootKeys, load, make


@pytest.fixture
def path(tmp_path):
    return tmp_path / "root.key"


def written(path, content: bytes, mode: int = 0o600):
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_made_key_is_loaded_again_and_never_overwritten(path):
    made = make(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(load(str(path))) == [made.id]
    with pytest.raises(RootKeyError, match="exists already"):
        make(path)
    assert list(load(str(path))) == [made.id]


def test_second_key_is_added_to_the_file(path):
    first = make(path)
    second = make(path, add=True)
    roots = load(str(path))
    assert list(roots) == [first.id, second.id]
    assert roots.first.id == first.id
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_several_files(path, tmp_path):
    first, second = make(path), make(tmp_path / "other.key")
    assert list(load(f"{path}:{tmp_path / 'other.key'}")) == [first.id, second.id]
    assert not load("")


@pytest.mark.parametrize("form", ["raw", "hex", "base64"])
def test_form_of_the_file(path, form):
    key = os.urandom(32)
    content = {
        "raw": key,
        "hex": key.hex().encode() + b"\n",
        "base64": base64.b64encode(key) + b"\r\n",
    }[form]
    assert list(load(str(written(path, content)))) == [RootKey(key).id]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        os.urandom(31),
        os.urandom(33),
        b"00112233445566778899aabbccddeeff",
        os.urandom(16).hex().encode() + b"\n",
        os.urandom(32).hex().encode() + b"\nhalf a line",
        b"x" * 5000,
    ],
    ids=["empty", "short", "long", "half", "half a line", "second line", "too much"],
)
def test_no_root_key_is_one_sentence_that_shows_nothing(path, content):
    with pytest.raises(RootKeyError, match="is no root key") as caught:
        load(str(written(path, content)))
    assert caught.value.__cause__ is None
    if len(content) > 16:
        assert content.hex() not in str(caught.value)
        assert content.decode("latin-1")[:16] not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_file_open_to_others_is_refused(path, mode):
    make(path)
    path.chmod(mode)
    with pytest.raises(RootKeyError, match="may be used by others"):
        load(str(path))


def test_systemd_s_credential_is_taken(path, monkeypatch):
    made = make(path)
    path.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(path.parent))
    assert list(load(str(path))) == [made.id]
    path.chmod(0o444)
    with pytest.raises(RootKeyError, match="may be used by others"):
        load(str(path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_file_of_another_user_is_refused(path):
    make(path)
    os.chown(path, 65534, 65534)
    with pytest.raises(RootKeyError, match="belongs to user 65534"):
        load(str(path))


def test_missing_file_and_folder_are_refused(path, tmp_path):
    with pytest.raises(RootKeyError, match="cannot be read: No such file"):
        load(str(path))
    with pytest.raises(RootKeyError, match="no regular file"):
        load(str(tmp_path))


def test_wrapped_key_opens_only_under_its_root_and_name():
    root, other, secret = RootKey(os.urandom(32)), RootKey(os.urandom(32)), os.urandom(32)
    wrapped = root.wrap(b"device key 1 1", secret)
    assert root.unwrap(b"device key 1 1", wrapped) == secret
    for key, name in ((root, b"device key 1 2"), (other, b"device key 1 1")):
        with pytest.raises(RootKeyError, match="does not open"):
            key.unwrap(name, wrapped)
    with pytest.raises(RootKeyError, match="not among those loaded"):
        RootKeys(root)[other.id]


def test_sentinel_proves_the_root():
    root, other = RootKey(os.urandom(32)), RootKey(os.urandom(32))
    assert root.proves(root.sentinel())
    assert not other.proves(root.sentinel())
    assert not root.proves(b"")


def test_root_key_is_not_shown():
    key = os.urandom(32)
    root = RootKey(key)
    for text in (repr(root), str(root), repr(RootKeys(root)), f"{RootKeys(root)}"):
        assert key.hex() not in text
        assert repr(key) not in text
