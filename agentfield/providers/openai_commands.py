"""What we tell OpenAI Realtime, as frames.

Every frame has an ``event_id`` of ours, which an error about it repeats.
"""

from __future__ import annotations

__all__ = [
    "COMMAND_KEY",
    "cancel_frames",
    "delete_frame",
    "look_frame",
    "output_frame",
    "speech_frame",
]

from agentfield.providers.openai_session import Frame
from agentfield.sessions.provider import (
    CancelSpeech,
    CreateSpeech,
    DeleteItem,
    Probe,
    RetrieveItem,
    SendToolOutput,
)

COMMAND_KEY = "agentfield_command"
"""Where a response's metadata has our id of the command that asked for it."""


def speech_frame(command: CreateSpeech) -> Frame:
    """Return the request for a response, which stays in the default conversation.

    ``input`` stands in for what the model would otherwise see of the conversation, so that the text
    to be said is all it has to go by. A response outside of the conversation would not be
    interrupted by the user.
    """
    response: Frame = {"metadata": {COMMAND_KEY: command.command_id}}
    if command.instructions is not None:
        response["instructions"] = command.instructions
    if command.say is not None:
        content = [{"type": "input_text", "text": _request_to_say(command.say)}]
        response["input"] = [{"type": "message", "role": "system", "content": content}]
        response["tool_choice"] = "none"
    return {"type": "response.create", "event_id": command.command_id, "response": response}


def cancel_frames(command: CancelSpeech) -> list[Frame]:
    """Return what stops a response and drops what has not been played, in this order."""
    clear: Frame = {"type": "output_audio_buffer.clear", "event_id": "clear"}
    if command.response_id is None:
        return [clear]
    cancel = {"type": "response.cancel", "event_id": "cancel", "response_id": command.response_id}
    return [cancel, clear]


def output_frame(command: SendToolOutput) -> Frame:
    """Return a tool's output as an item; an error about it carries the item's id."""
    item = {
        "id": command.item_id,
        "type": "function_call_output",
        "call_id": command.call_id,
        "output": command.output,
    }
    return {"type": "conversation.item.create", "event_id": command.item_id, "item": item}


def delete_frame(command: DeleteItem) -> Frame:
    """Return the removal of an item."""
    return {"type": "conversation.item.delete", "event_id": "delete", "item_id": command.item_id}


def look_frame(command: Probe | RetrieveItem) -> Frame:
    """Return the question for an item, or one that stands at the end for a moment.

    An error about it carries the item's id.
    """
    item_id = command.item_id
    if isinstance(command, RetrieveItem):
        return {"type": "conversation.item.retrieve", "event_id": item_id, "item_id": item_id}
    content = [{"type": "input_text", "text": command.text}]
    item = {"id": item_id, "type": "message", "role": "system", "content": content}
    return {"type": "conversation.item.create", "event_id": item_id, "item": item}


def _request_to_say(text: str) -> str:
    marks = " from the first to the last quotation mark" if set(text) & set('"“”') else ""
    return f'Say exactly this{marks}, word for word, and nothing else: "{text}"'
