// A stranger on the broker, for these tests.
export { Mqtt } from "../../sim/demo/mqtt.mjs";
