"""Korean particles behind whatever a report puts before them."""

import pytest

from tuneoff.strings.particles import with_particle


@pytest.mark.parametrize(
    ("word", "topic", "subject", "object_", "with_", "towards"),
    [
        ("어댑터", "는", "가", "를", "와", "로"),
        ("전체 미세조정", "은", "이", "을", "과", "으로"),
        ("최빈 클래스 모델", "은", "이", "을", "과", "로"),
        # Latin letters: capitals by name, words as they are taken into Korean.
        ("LoRA", "는", "가", "를", "와", "로"),
        ("QLoRA", "는", "가", "를", "와", "로"),
        ("AdaLoRA", "는", "가", "를", "와", "로"),
        ("PiSSA", "는", "가", "를", "와", "로"),
        ("BitFit", "은", "이", "을", "과", "으로"),
        ("OFT", "는", "가", "를", "와", "로"),
        ("KLM", "은", "이", "을", "과", "으로"),
        ("NLP", "는", "가", "를", "와", "로"),
        ("full", "은", "이", "을", "과", "로"),
        ("short-prompt", "는", "가", "를", "와", "로"),
        ("prefix tuning", "은", "이", "을", "과", "으로"),
        ("last block", "은", "이", "을", "과", "으로"),
        ("roberta", "는", "가", "를", "와", "로"),
        # Digits: 일, 이, 삼, 육, 영, 십육.
        ("IA³", "은", "이", "을", "과", "으로"),
        ("lora-1", "은", "이", "을", "과", "로"),
        ("lora-r2", "는", "가", "를", "와", "로"),
        ("lora-r16", "은", "이", "을", "과", "으로"),
        ("시드 10", "은", "이", "을", "과", "으로"),
        ("0.75", "는", "가", "를", "와", "로"),
        # Units and signs: 퍼센트, 기가바이트, 초, 시간, 분, 원, 달러.
        ("12 %", "는", "가", "를", "와", "로"),
        ("1.5 GB", "는", "가", "를", "와", "로"),
        ("4.3 s", "는", "가", "를", "와", "로"),
        ("2.0 h", "은", "이", "을", "과", "으로"),
        ("3.1 min", "은", "이", "을", "과", "으로"),
        ("1,500 KRW", "은", "이", "을", "과", "으로"),
        ("0.35 USD", "는", "가", "를", "와", "로"),
        # Brackets are not read, and neither are quotes and stars.
        ("특징 추출(백본 고정)", "은", "이", "을", "과", "로"),
        ("LoRA (lora-r16)", "는", "가", "를", "와", "로"),
        ("어댑터 (전체 미세조정) (둘)", "는", "가", "를", "와", "로"),
        ('"값"', "은", "이", "을", "과", "으로"),
        ("**LoRA**", "는", "가", "를", "와", "로"),
        ("`r=8`", "은", "이", "을", "과", "로"),
    ],
)
def test_particles_follow_what_is_read(word: str, topic: str, subject: str, object_: str, with_: str, towards: str) -> None:
    found = [with_particle(word, pair).removeprefix(word) for pair in ("은/는", "이/가", "을/를", "과/와", "으로/로")]
    assert found == [topic, subject, object_, with_, towards]


@pytest.mark.parametrize("word", ["", "()", "…", "😀", "(LoRA)", "中"])
def test_what_nobody_can_read_takes_some_particle(word: str) -> None:
    assert with_particle(word, "은/는") in (f"{word}는", f"{word}은")
