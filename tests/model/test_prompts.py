"""The prompt, spelled out."""

from stages.model import prompts


def test_messages_with_a_shot_and_a_system_turn():
    assert prompts.messages("Habari", "swh_Latn", "eng_Latn", [("Paka", "Cat")], system="") == [
        {"role": "system", "content": ""},
        {"role": "user", "content": "Translate from Swahili to English:\nPaka"},
        {"role": "assistant", "content": "Cat"},
        {"role": "user", "content": "Translate from Swahili to English:\nHabari"},
    ]


def test_no_system_turn_unless_asked_for():
    assert [turn["role"] for turn in prompts.messages("x", "eng_Latn", "spa_Latn")] == ["user"]
