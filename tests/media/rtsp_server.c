/* rtsp_server - an ordinary camera for tests and benches: H.264 and, beside it, sound.
 *
 *   rtsp_server PORT [--file CLIP.mp4] [--auth USER:PASSWORD] [--no-sound]
 *
 * Serves rtsp://127.0.0.1:PORT/cam (port 0: the system chooses) and prints "port N" when it is
 * ready. Without a clip: a moving test pattern, 320x240 at 30 fps, a key frame each second.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gst/gst.h>
#include <gst/rtsp-server/rtsp-server.h>

#define PATTERN                                                                                   \
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=30/1 ! " \
    "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 bitrate=600 ! "               \
    "video/x-h264,profile=baseline ! rtph264pay name=pay0 pt=96 config-interval=-1"
#define SOUND                                                                               \
    " audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay " \
    "name=pay1 pt=8"

static void require_password(GstRTSPServer *server, GstRTSPMediaFactory *factory, const char *both)
{
    char user[64] = "";
    const char *colon = strchr(both, ':');
    if (!colon || (size_t)(colon - both) >= sizeof user)
        return;
    memcpy(user, both, (size_t)(colon - both));
    GstRTSPAuth *auth = gst_rtsp_auth_new();
    GstRTSPToken *token =
        gst_rtsp_token_new(GST_RTSP_TOKEN_MEDIA_FACTORY_ROLE, G_TYPE_STRING, "user", NULL);
    gst_rtsp_auth_set_supported_methods(auth, GST_RTSP_AUTH_DIGEST);
    gst_rtsp_auth_add_digest(auth, user, colon + 1, token);
    gst_rtsp_token_unref(token);
    gst_rtsp_media_factory_add_role(factory, "user", GST_RTSP_PERM_MEDIA_FACTORY_ACCESS,
                                    G_TYPE_BOOLEAN, TRUE, GST_RTSP_PERM_MEDIA_FACTORY_CONSTRUCT,
                                    G_TYPE_BOOLEAN, TRUE, NULL);
    gst_rtsp_server_set_auth(server, auth);
    g_object_unref(auth);
}

int main(int argc, char **argv)
{
    const char *file = NULL, *auth = NULL;
    gboolean has_sound = TRUE;
    gst_init(NULL, NULL);
    if (argc < 2)
        return 2;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--file") == 0 && i + 1 < argc)
            file = argv[++i];
        else if (strcmp(argv[i], "--auth") == 0 && i + 1 < argc)
            auth = argv[++i];
        else if (strcmp(argv[i], "--no-sound") == 0)
            has_sound = FALSE;
        else
            return 2;
    }
    char launch[1024];
    if (file)
        (void)snprintf(launch, sizeof launch,
                       "( filesrc location=%s ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 "
                       "config-interval=-1 )",
                       file);
    else
        (void)snprintf(launch, sizeof launch, "( " PATTERN "%s )", has_sound ? SOUND : "");
    GstRTSPServer *server = gst_rtsp_server_new();
    gst_rtsp_server_set_address(server, "127.0.0.1");
    gst_rtsp_server_set_service(server, argv[1]);
    GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new();
    gst_rtsp_media_factory_set_launch(factory, launch);
    gst_rtsp_media_factory_set_shared(factory, !file);
    gst_rtsp_media_factory_set_latency(factory, 0);
    if (auth)
        require_password(server, factory, auth);
    GstRTSPMountPoints *mounts = gst_rtsp_server_get_mount_points(server);
    gst_rtsp_mount_points_add_factory(mounts, "/cam", factory);
    g_object_unref(mounts);
    if (!gst_rtsp_server_attach(server, NULL))
        return 1;
    (void)printf("port %d\n", gst_rtsp_server_get_bound_port(server));
    (void)fflush(stdout);
    g_main_loop_run(g_main_loop_new(NULL, FALSE));
    return 0;
}
