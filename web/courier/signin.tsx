// Signing in and joining at the service.
import { startSignIn } from "../shared/signin";

startSignIn({ api: "/v1", rpName: "Doorward", canRecover: false });
