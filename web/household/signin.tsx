// Signing in and joining at home.
import { startSignIn } from "../shared/signin";

startSignIn({ api: "/api", rpName: "Doorward home", canRecover: true });
