import { mount } from "svelte";
import App from "./App.svelte";
import { connect } from "./lib/view.svelte";
import "./styles/base.css";

void connect();
mount(App, { target: document.body.querySelector("#app")! });
