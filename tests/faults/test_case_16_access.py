"""Case 16: gated, private, missing, a bad token and a bad revision are told apart; other backbones are unaffected."""

import json

import pytest

from tests.support.hub_server import serve
from tests.support.said_hub import Told, hub_study, tell
from tests.support.tiny import tiny_encoder

TOKEN, WRONG = "hf_accepted0123456789", "hf_refused9876543210"
#: Whose command: the token, the backbone, and what its one line says in English and in Korean.
CASES = {
    "gated": (
        "",
        "team/gated",
        "team/gated is gated: its owner must grant access → ask for it at {url}/team/gated",
        "접근 승인이 필요합니다",
    ),
    "gated, not granted": (TOKEN, "team/gated", "is gated: its owner must grant access", "접근을 신청"),
    "private": ("", "team/private", "the hub has no repository team/private, or it is private and no token is set", "비공개인데 토큰이"),
    "missing": (TOKEN, "team/none", "the hub has no repository team/none, or it is private and the token may not see it", "볼 권한이"),
    "bad token": (WRONG, "team/bert", "the hub does not accept the token for team/bert → renew HF_TOKEN", "토큰을 받아들이지 않습니다"),
    "bad revision": ("", "team/bert@v9", "team/bert has no revision v9 → see its revisions at {url}/team/bert", "v9 리비전이 없습니다"),
    "granted": (TOKEN, "team/private", None, None),
    "open": ("", "team/bert", None, None),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Told]:
    folder = tmp_path_factory.mktemp("access")
    model = tiny_encoder(folder / "model")
    with serve() as hub:
        hub.tokens.add(TOKEN)
        hub.add("models/team/bert", model)
        hub.add("models/team/gated", model, access="gated")
        hub.add("models/team/private", model, access="private")
        steps, names = [], []
        for name, (token, backbone, *_) in CASES.items():
            study = hub_study(folder / name, backbone)
            for lang in ("en", "ko"):
                steps.append({"argv": ["check", str(study), "--json", "--debug"], "lang": lang, "environment": {"HF_TOKEN": token}})
                names.append((name, lang))
        baselines = hub_study(folder / "baselines", "team/gated", methods=("majority", "tfidf"))
        steps.append({"argv": ["check", str(baselines)]})
        names.append(("baselines", ""))
        answers, talk = tell(steps, hub.url, folder / "home")
        for said in (talk, *(answer.out + answer.err for answer in answers)):
            assert TOKEN not in said
            assert WRONG not in said
        found = dict(zip(names, answers, strict=True))
        return found | {("url", ""): Told(0, hub.url, "", 0.0)}


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[2]])
def test_refusals_are_told_apart(told: dict[tuple[str, str], Told], name: str) -> None:
    _, _, english, korean = CASES[name]
    assert english is not None
    assert korean is not None
    assert told[name, "en"].code == told[name, "ko"].code == 3
    assert english.format(url=told["url", ""].out) in told[name, "en"].line
    assert korean in told[name, "ko"].line


def test_each_has_its_own_words(told: dict[tuple[str, str], Told]) -> None:
    for lang in ("en", "ko"):
        lines = {told[name, lang].line for name, case in CASES.items() if case[2]}
        assert len(lines) == 5, "gated reads the same with and without a token that is not enough"


@pytest.mark.parametrize("name", ["granted", "open"])
def test_other_backbones_are_unaffected(told: dict[tuple[str, str], Told], name: str) -> None:
    assert told[name, "en"].code == 0, told[name, "en"].err
    assert json.loads(told[name, "en"].out)["backbone"]["origin"] == "hub"


def test_a_study_without_a_method_on_a_backbone_needs_no_access(told: dict[tuple[str, str], Told]) -> None:
    assert told["baselines", ""].code == 0, told["baselines", ""].err
