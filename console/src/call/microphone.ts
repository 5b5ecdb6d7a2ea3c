/** The caller's voice, and every way a browser can refuse it. */

import { Failure, type Trouble } from "../server/failures";

const REFUSALS: Readonly<Record<string, Trouble>> = {
  NotAllowedError: {
    title: "The microphone is not allowed",
    advice:
      "Allow it for this page in the browser’s address bar or settings, and in those of the system, then try again.",
  },
  NotFoundError: {
    title: "No microphone was found",
    advice: "Connect one, then try again.",
  },
  NotReadableError: {
    title: "The microphone cannot be used",
    advice: "Another program may be using it. Close that, then try again.",
  },
};

/** Ask for the microphone. Throws a Failure that says what to do. */
export async function microphone(): Promise<MediaStream> {
  if (!window.isSecureContext) {
    throw new Failure({
      title: "Browsers give no microphone to this address",
      advice:
        "The page has to come over https, or from this machine: open it as http://localhost or http://127.0.0.1.",
    });
  }
  if (!("mediaDevices" in navigator) || !("RTCPeerConnection" in window)) {
    throw new Failure({
      title: "This browser cannot make calls",
      advice: "Open the page in a current Chromium, Firefox or Safari.",
    });
  }
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    const detail = error instanceof Error ? error.message : "";
    const trouble = REFUSALS[name] ?? {
      title: "The microphone cannot be opened",
      advice: "Check it in the system’s settings, then try again.",
    };
    throw new Failure(detail ? { ...trouble, detail } : trouble);
  }
}
