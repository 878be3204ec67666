import { mount } from "svelte";
import { connect } from "./lib/view.svelte";
import RingWindow from "./screens/RingWindow.svelte";
import "./styles/base.css";

void connect();
mount(RingWindow, { target: document.body.querySelector("#app")! });
