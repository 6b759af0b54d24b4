/* sim/thief2017/eye.c - an eye in a simulated hall: JPEG pictures on stdout, each after its length.
 *
 *   hall-eye WORLD WIDTH HEIGHT FPS
 *
 * For the demo of the attack of 2017 only: it draws what really happens, and it is the camera of
 * the home of that year, which signs nothing. Ends when nobody reads it. */
#include <libavcodec/avcodec.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim/hall/hall.h"

static AVCodecContext *open_codec(int width, int height, int fps)
{
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
    AVCodecContext *c = codec ? avcodec_alloc_context3(codec) : NULL;
    if (!c)
        return NULL;
    c->width = width;
    c->height = height;
    c->time_base = (AVRational){1, fps};
    c->pix_fmt = AV_PIX_FMT_YUV420P;
    c->color_range = AVCOL_RANGE_JPEG;
    c->strict_std_compliance = FF_COMPLIANCE_UNOFFICIAL;
    c->flags |= AV_CODEC_FLAG_QSCALE;
    c->global_quality = 5 * FF_QP2LAMBDA;
    return avcodec_open2(c, codec, NULL) == 0 ? c : NULL;
}

/* The hall is drawn for video (16..235); JPEG means 0..255. */
static void widen(uint8_t *p, size_t count, int mid, int num, int den)
{
    for (size_t i = 0; i < count; i++) {
        int v = mid + ((int)p[i] - mid) * num / den + (mid == 128 ? 0 : -16 * num / den);
        p[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

static uint32_t second_of_day(void)
{
    time_t now = time(NULL);
    struct tm tm;
    localtime_r(&now, &tm);
    return (uint32_t)(tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec);
}

static bool put(const AVPacket *p)
{
    uint32_t n = (uint32_t)p->size;
    uint8_t head[4] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
    return fwrite(head, sizeof head, 1, stdout) == 1 && fwrite(p->data, n, 1, stdout) == 1 &&
           fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
    int width = argc == 5 ? (int)strtol(argv[2], NULL, 10) : 0;
    int height = argc == 5 ? (int)strtol(argv[3], NULL, 10) : 0;
    int fps = argc == 5 ? (int)strtol(argv[4], NULL, 10) : 0;
    if (width < 160 || width > 1920 || height < 96 || height > 1200 || fps < 1 || fps > 30) {
        fprintf(stderr, "usage: hall-eye WORLD WIDTH HEIGHT FPS\n");
        return 2;
    }
    struct dw_world *world = dw_world_open(argv[1], false);
    struct dw_hall *hall = world ? dw_hall_new((uint16_t)width, (uint16_t)height, 2017) : NULL;
    AVCodecContext *codec = open_codec(width, height, fps);
    AVFrame *frame = av_frame_alloc();
    AVPacket *packet = av_packet_alloc();
    size_t luma = (size_t)width * (size_t)height, size = hall ? dw_hall_bytes(hall) : 0;
    uint8_t *i420 = hall ? malloc(size) : NULL;
    if (!i420 || !codec || !frame || !packet) {
        fprintf(stderr, "hall-eye: cannot start with the world %s\n", argv[1]);
        return 1;
    }
    frame->format = codec->pix_fmt;
    frame->width = width;
    frame->height = height;
    frame->quality = codec->global_quality;
    frame->data[0] = i420;
    frame->data[1] = i420 + luma;
    frame->data[2] = i420 + luma + luma / 4;
    frame->linesize[0] = width;
    frame->linesize[1] = frame->linesize[2] = width / 2;
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (;;) {
        uint64_t now_us = (uint64_t)next.tv_sec * 1000000 + (uint64_t)next.tv_nsec / 1000;
        dw_hall_picture(hall, world, now_us, second_of_day(), i420);
        widen(i420, luma, 0, 255, 219);
        widen(i420 + luma, size - luma, 128, 255, 224);
        frame->pts++;
        bool is_put = avcodec_send_frame(codec, frame) == 0 &&
                      avcodec_receive_packet(codec, packet) == 0 && put(packet);
        av_packet_unref(packet);
        if (!is_put)
            return 0;
        next.tv_nsec += 1000000000 / fps;
        if (next.tv_nsec >= 1000000000) {
            next.tv_nsec -= 1000000000;
            next.tv_sec++;
        }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
}
