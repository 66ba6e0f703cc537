"""What goes into a model and what comes out, by the name of its task (Hugging Face ``pipeline_tag``).

"other" are labels, scores, boxes, masks and the like: outputs that model-spec has no word for.
"""

from __future__ import annotations

from collections.abc import Mapping

_TASKS = """
text-generation: text > text
text2text-generation: text > text
summarization: text > text
translation: text > text
question-answering: text > text
table-question-answering: text > text
fill-mask: text > text
conversational: text > text
text-classification: text > other
token-classification: text > other
zero-shot-classification: text > other
text-ranking: text > other
feature-extraction: text > embedding
sentence-similarity: text > embedding
text-to-image: text > image
text-to-video: text > video
text-to-speech: text > audio
text-to-audio: text > audio
text-to-3d: text > other
image-to-text: image > text
image-to-image: image > image
image-to-video: image > video
image-to-3d: image > other
image-feature-extraction: image > embedding
image-classification: image > other
image-segmentation: image > other
object-detection: image > other
keypoint-detection: image > other
depth-estimation: image > other
mask-generation: image > other
zero-shot-image-classification: image text > other
zero-shot-object-detection: image text > other
image-text-to-text: image text > text
image-text-to-image: image text > image
image-text-to-video: image text > video
visual-question-answering: image text > text
document-question-answering: image text > text
visual-document-retrieval: image text > embedding
video-classification: video > other
video-text-to-text: video text > text
video-to-video: video > video
automatic-speech-recognition: audio > text
audio-text-to-text: audio text > text
audio-to-audio: audio > audio
audio-classification: audio > other
voice-activity-detection: audio > other
"""


def _parse(table: str) -> Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    rows = (line.partition(":") for line in table.strip().splitlines())
    sides = ((task, types.partition(">")) for task, _, types in rows)
    return {task: (tuple(before.split()), tuple(after.split())) for task, (before, _, after) in sides}


MODALITIES = _parse(_TASKS)
"""Task to input types and output types. ``any-to-any`` is not here: it does not say which."""

EMBEDDING = (("text",), ("embedding",))
"""What a sentence-transformers model takes and gives."""

GENERATION = (("text",), ("text",))
"""What a causal language model takes and gives."""
