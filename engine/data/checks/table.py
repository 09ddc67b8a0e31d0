"""Every check by its code: what it means for training, and what can be done."""

from __future__ import annotations

from dataclasses import dataclass

REMEDIES: dict[str, str] = {
    "drop": "leave these rows out of training and out of the held-out side",
    "keep_one": "keep the first row of each group and leave the others out",
    "cut": "train on the part that fits the maximum length",
    "replace": "put a mended text in place of what was found",
    "leave": "change nothing",
}


@dataclass(frozen=True)
class Check:
    """`title` has at most 30 characters; `remedy` says what to do, `remedies` are the actions
    offered, `default` is the one taken unless another is chosen."""

    title: str
    meaning: str
    remedy: str
    remedies: tuple[str, ...]
    default: str = "leave"


CHECKS: dict[str, Check] = {
    "blank_answer": Check(
        "blank answers",
        "there is nothing to learn but to stop at once",
        "write the answer, or drop the row",
        ("drop", "leave"),
        "drop",
    ),
    "nothing_learned": Check(
        "nothing is learned",
        "no token of these rows carries loss, so they cost time and teach nothing",
        "mark an answer as learned, or drop the row",
        ("drop", "leave"),
        "drop",
    ),
    "answer_lost": Check(
        "answer lost to the length",
        "the prompt alone fills the maximum length, so nothing of the answer is left to learn",
        "raise data.max_length, shorten the prompt, or drop the row",
        ("drop", "leave"),
        "drop",
    ),
    "prompt_too_long": Check(
        "prompt beyond the window",
        "the model cannot read the whole prompt, however long data.max_length is",
        "shorten the prompt, take a model with a longer window, or drop the row",
        ("drop", "leave"),
        "drop",
    ),
    "answer_cut": Check(
        "answer cut by the length",
        "the end of the answer and its end-of-turn token are not learned; many such rows teach the "
        "model not to stop",
        "raise data.max_length, or drop the row",
        ("cut", "drop"),
        "cut",
    ),
    "exact_copies": Check(
        "exact copies",
        "the same row several times counts as often in the loss and is learned by heart",
        "keep one",
        ("keep_one", "drop", "leave"),
    ),
    "normalised_copies": Check(
        "copies but for case and spaces",
        "the same row several times counts as often in the loss and is learned by heart",
        "keep one",
        ("keep_one", "drop", "leave"),
    ),
    "near_copies": Check(
        "near copies",
        "prompt and answer differ by a few words only; the row counts almost as often in the loss",
        "look at a few; keep one where the difference teaches nothing",
        ("keep_one", "drop", "leave"),
    ),
    "two_answers": Check(
        "one prompt, several answers",
        "the model learns a mixture of the answers; right for creative work, wrong for facts and "
        "labels",
        "keep the right answer, or leave them where each is good",
        ("keep_one", "drop", "leave"),
    ),
    "mojibake": Check(
        "broken letters",
        "the text was read in a wrong encoding (Ã© for é); the model learns to write like that",
        "replace them by the mended text",
        ("replace", "drop", "leave"),
    ),
    "lost_characters": Check(
        "lost characters",
        "a replacement character stands where a letter was lost; the model learns to write it",
        "write the letter again from the source, or drop the row",
        ("drop", "leave"),
    ),
    "control_characters": Check(
        "control and hidden characters",
        "they cannot be seen but are tokens, and the model learns to write them",
        "take them out",
        ("replace", "drop", "leave"),
    ),
    "special_tokens": Check(
        "special tokens in the text",
        "the tokenizer may read them as control tokens: a turn would end inside the text; often the "
        "chat template was put into the data already",
        "take them out",
        ("replace", "drop", "leave"),
    ),
    "extreme_length": Check(
        "extreme lengths",
        "far longer or shorter than the other rows; long ones weigh most in the loss",
        "look at them; broken records are often among them",
        ("drop", "leave"),
    ),
    "other_language": Check(
        "another language",
        "nearly all rows are in one language; the model may answer in the wrong one",
        "leave translations; drop what came in by mistake",
        ("drop", "leave"),
    ),
    "secrets": Check(
        "likely secrets",
        "keys and passwords are learned by heart and can be asked out of the model",
        "replace them, and make the real ones invalid",
        ("replace", "drop", "leave"),
    ),
    "personal_data": Check(
        "likely personal data",
        "addresses and numbers of people are learned by heart and can be asked out of the model",
        "replace them, unless they are made up",
        ("replace", "drop", "leave"),
    ),
}
