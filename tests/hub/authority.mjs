// What people and agencies sign, for whoever plays them in these tests.
export * from "../../sim/demo/authority.mjs";
