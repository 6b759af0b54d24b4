// The icons of the live view and the marks around them. The shape says the state even without colour.

const paths = {
  lock: ["M8 11V8a4 4 0 0 1 8 0v3M12 15v2.5", "M8 11h8a3 3 0 0 1 3 3v4a3 3 0 0 1-3 3H8a3 3 0 0 1-3-3v-4a3 3 0 0 1 3-3z"],
  open: ["M5 21V4.5L14 3v18M5 21H3.5M14 5h5v16h1.5M14 21h5M11 12v1"],
  bolt: ["M3 8h9v8H3zM12 10.5h7a1.5 1.5 0 0 1 0 3h-7M21.5 6v12"],
  camera: ["M6 6.5h6a3 3 0 0 1 3 3v5a3 3 0 0 1-3 3H6a3 3 0 0 1-3-3v-5a3 3 0 0 1 3-3z", "M15 11l6-3.5v9L15 13z"],
  blind: ["M9 6.5h3a3 3 0 0 1 3 3V11l6-3.5v9L15 13M14.6 16.4a3 3 0 0 1-2.6 1.1H6a3 3 0 0 1-3-3v-5A3 3 0 0 1 4.6 6.9M3 3l18 18"],
  ask: ["M8.5 9a3.5 3.5 0 1 1 5 3.2c-1 .5-1.5 1.2-1.5 2.3M12 18v.2"],
  act: ["M12 6v7.5M12 17.5v.2"],
  clock: ["M12 3.5a8.5 8.5 0 1 1 0 17a8.5 8.5 0 0 1 0-17z", "M12 7v5l3.5 2"],
  pause: ["M8 4h8a4 4 0 0 1 4 4v8a4 4 0 0 1-4 4H8a4 4 0 0 1-4-4V8a4 4 0 0 1 4-4z", "M10 9v6M14 9v6"],
  seal: ["M12 2.5l2.2 1.9 2.9-.3 1 2.7 2.5 1.5-.8 2.8.8 2.8-2.5 1.5-1 2.7-2.9-.3L12 21.5l-2.2-1.9-2.9.3-1-2.7-2.5-1.5.8-2.8-.8-2.8 2.5-1.5 1-2.7 2.9.3zM12.5 4.5l-1.5 5 2.5 2-3 3.5 1.5 4.5"],
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = "" }: { name: IconName; size?: "" | "s" | "l" | "seal" }) {
  const extra = size === "" ? "" : size === "seal" ? " live-seal" : ` i-${size}`;
  return (
    <svg class={`i${extra}`} viewBox="0 0 24 24" aria-hidden="true">
      {paths[name].map((d) => (
        <path d={d} />
      ))}
    </svg>
  );
}
