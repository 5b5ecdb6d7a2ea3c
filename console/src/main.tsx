import { render } from "preact";
import { App } from "./parts/app";
import { takeWish } from "./server/link";

// Before anything else can see the address.
const wish = takeWish();
const place = document.querySelector("main");
place?.replaceChildren();
if (place) render(<App first={wish} />, place);
