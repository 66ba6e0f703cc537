from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import DocumentError
from modelpack.oci import Digest, JSONObject, ModelConfig, dumps

ONE, TWO = Digest.of(b"1"), Digest.of(b"2")

FULL = ModelConfig(
    created_at="2026-01-01T00:00:00Z",
    authors=("one@example.org",),
    family="qwen3",
    name="demo",
    doc_url="https://example.org/docs",
    source_url="https://example.org/source",
    datasets_url=("https://example.org/data",),
    version="1.2",
    revision="abc",
    vendor="example",
    licenses=("Apache-2.0",),
    title="A & B",
    description="d",
    architecture="transformer",
    format="safetensors",
    param_size="8b",
    precision="bfloat16",
    quantization="gptq",
    input_types=("text", "image"),
    output_types=("text",),
    knowledge_cutoff="2025-01-01T00:00:00Z",
    reasoning=True,
    tool_usage=False,
    reward=False,
    languages=("en", "de"),
    diff_ids=(ONE, TWO),
)
GOLDEN = (
    '{"descriptor":{"createdAt":"2026-01-01T00:00:00Z","authors":["one@example.org"],"family":"qwen3","name":"demo",'
    '"docURL":"https://example.org/docs","sourceURL":"https://example.org/source",'
    '"datasetsURL":["https://example.org/data"],"version":"1.2","revision":"abc","vendor":"example",'
    '"licenses":["Apache-2.0"],"title":"A \\u0026 B","description":"d"},'
    f'"modelfs":{{"type":"layers","diffIds":["{ONE}","{TWO}"]}},'
    '"config":{"architecture":"transformer","format":"safetensors","paramSize":"8b","precision":"bfloat16",'
    '"quantization":"gptq","capabilities":{"inputTypes":["text","image"],"outputTypes":["text"],'
    '"knowledgeCutoff":"2025-01-01T00:00:00Z","reasoning":true,"toolUsage":false,"reward":false,'
    '"languages":["en","de"]}}}'
).encode()


def test_golden_bytes() -> None:
    assert FULL.to_bytes() == GOLDEN
    assert ModelConfig.parse(GOLDEN) == FULL


def test_the_bytes_that_modctl_writes() -> None:
    config = ModelConfig(
        created_at="2026-11-23T07:34:01.570783322Z",
        family="qwen3",
        name="demo",
        architecture="transformer",
        format="safetensors",
        param_size="8b",
        precision="bfloat16",
        diff_ids=(ONE,),
    )
    assert (
        config.to_bytes()
        == (
            '{"descriptor":{"createdAt":"2026-11-23T07:34:01.570783322Z","family":"qwen3","name":"demo"},'
            f'"modelfs":{{"type":"layers","diffIds":["{ONE}"]}},'
            '"config":{"architecture":"transformer","format":"safetensors","paramSize":"8b","precision":"bfloat16"}}'
        ).encode()
    )


def test_nothing_said() -> None:
    assert ModelConfig().to_bytes() == b'{"descriptor":{},"modelfs":{"type":"layers","diffIds":[]},"config":{}}'


@pytest.mark.parametrize(
    "raw", [b"{}", b'{"descriptor":null,"modelfs":{"diffIds":null},"config":{"capabilities":null}}']
)
def test_empty_configs_of_other_tools(raw: bytes) -> None:
    config = ModelConfig.parse(raw)
    assert config == ModelConfig()
    assert config.raw == raw


def test_the_predecessor_of_the_specification() -> None:
    capabilities: JSONObject = {
        "input_types": ["text"],
        "output_types": ["image"],
        "knowledge_cutoff": "2024-05-21T00:00:00Z",
        "reasoning": True,
        "tool_usage": False,
    }
    raw = dumps(
        {
            "descriptor": {"name": "xyz", "unheard-of": 1},
            "modelfs": {"type": "layers", "diff_ids": [str(ONE)]},
            "config": {"puantization": "awq", "capabilities": capabilities},
        }
    )
    assert ModelConfig.parse(raw) == ModelConfig(
        name="xyz",
        quantization="awq",
        input_types=("text",),
        output_types=("image",),
        knowledge_cutoff="2024-05-21T00:00:00Z",
        reasoning=True,
        tool_usage=False,
        diff_ids=(ONE,),
    )


def test_the_current_name_wins() -> None:
    raw = dumps(
        {
            "modelfs": {"diffIds": [str(ONE)], "diff_ids": [str(TWO)]},
            "config": {"capabilities": {"inputTypes": ["text"], "input_types": ["image"]}},
            "capabilities": {"outputTypes": ["audio"]},
        }
    )
    config = ModelConfig.parse(raw)
    assert (config.diff_ids, config.input_types, config.output_types) == ((ONE,), ("text",), ())


def test_capabilities_at_the_top_level() -> None:
    assert ModelConfig.parse(b'{"config":{},"capabilities":{"reasoning":false}}').reasoning is False


def test_a_changed_config_has_no_bytes() -> None:
    config = ModelConfig.parse(GOLDEN)
    assert config.raw == GOLDEN
    assert replace(config, name="other").raw == b""
    assert hash(config) == hash(FULL)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"[]", "config: not a JSON object"),
        (b'{"descriptor":[]}', "config: descriptor: an object is required"),
        (b'{"descriptor":{"name":1}}', "config: descriptor.name: a string is required"),
        (b'{"descriptor":{"authors":"me"}}', "config: descriptor.authors: an array is required"),
        (b'{"descriptor":{"licenses":["MIT",2]}}', r"config: descriptor.licenses\[1\]: a string is required"),
        (b'{"modelfs":{"diffIds":["x"]}}', r"config: modelfs.diffIds\[0\]: not a digest"),
        (b'{"modelfs":{"diff_ids":["md5:0"]}}', r"config: modelfs.diff_ids\[0\]: digest algorithm"),
        (b'{"config":{"paramSize":8}}', "config: config.paramSize: a string is required"),
        (b'{"config":{"capabilities":{"reasoning":"yes"}}}', "config: config.capabilities.reasoning: true or false"),
        (b'{"config":{"capabilities":{"tool_usage":1}}}', "config: config.capabilities.tool_usage: true or false"),
    ],
)
def test_refused(raw: bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        ModelConfig.parse(raw)


text = st.text(max_size=8)
texts = st.lists(st.text(max_size=8), max_size=3).map(tuple)
flags = st.none() | st.booleans()
configs = st.builds(
    ModelConfig,
    created_at=text,
    authors=texts,
    name=text,
    datasets_url=texts,
    licenses=texts,
    precision=text,
    quantization=text,
    input_types=texts,
    knowledge_cutoff=text,
    reasoning=flags,
    tool_usage=flags,
    reward=flags,
    languages=texts,
    diff_ids=st.lists(st.binary(max_size=3).map(Digest.of), max_size=3).map(tuple),
)


@settings(deadline=None, max_examples=50)
@given(configs)
def test_writing_and_reading(config: ModelConfig) -> None:
    raw = config.to_bytes()
    assert ModelConfig.parse(raw) == config
    assert ModelConfig.parse(raw).to_bytes() == raw
