/* sim/hall/hall.c - the rendered hall. Units of the drawing: 640 x 400, the camera looks at (320,
 * 170).
 *
 * Depth: the door stands in the plane z = 0, where one unit is one unit of the drawing; z grows
 * towards the camera, which is EYE units away. A point appears enlarged by EYE / (EYE - z) about
 * the middle. */
#include "sim/hall/hall.h"

#include <cairo.h>
#include <librsvg/rsvg.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/hall/hall_assets.h"

#define EYE          420.0 /* gives the leaf of the drawing "hall-day-inside" when wide open */
#define MID_X        320.0
#define MID_Y        170.0
#define FLOOR_Y      300.0 /* of the floor at the door */
#define HINGE_X      268.0
#define LEAF_W       104.0
#define LEAF_T       90.0
#define LEAF_B       300.0
#define ANGLE_MAX    1.7261 /* 98.9 degrees: door_permille 1000 */
#define PERSON_SCALE 0.758  /* a person of 2.05 m of the drawing's 2.10 m door, cap included */

/* What can change is painted inside this rectangle of the drawing; the rest is room. */
#define LIVE_X 168.0
#define LIVE_Y 50.0
#define LIVE_W 312.0
#define LIVE_H 350.0

#define NOISE_SPAN     65536u
#define PEOPLE_UNITS_W 180.0
#define PEOPLE_UNITS_H 240.0
#define PARCELS_MAX    5

enum part {
    PART_SHADOW,
    PART_COURIER_LEG_LEFT,
    PART_COURIER_LEG_RIGHT,
    PART_COURIER_FRONT,
    PART_COURIER_BACK,
    PART_COURIER_ARMS_CARRY,
    PART_COURIER_ARMS_DOWN,
    PART_STRANGER_LEG_LEFT,
    PART_STRANGER_LEG_RIGHT,
    PART_STRANGER_FRONT,
    PART_STRANGER_BACK,
    PART_PARCEL,
    PART_COUNT
};

static const char *const part_id[PART_COUNT] = {
    "#shadow",
    "#courier-leg-left",
    "#courier-leg-right",
    "#courier-front",
    "#courier-back",
    "#courier-arms-carry",
    "#courier-arms-down",
    "#stranger-leg-left",
    "#stranger-leg-right",
    "#stranger-front",
    "#stranger-back",
    "#parcel",
};

/* Where a person stands, from "not here" (0) over outside and doorway to inside (3). */
static const struct place {
    double x, z;
} places[4] = {{470, -150}, {342, -70}, {320, 0}, {330, 95}};

struct person {
    double at;    /* 0..3, between places */
    double speed; /* places a second, for a soft start */
    double stride;
    bool faces_in;
};

struct hall_state {
    double door;  /* 0..1 as drawn */
    double night; /* 0..1 as drawn */
    struct person courier, thief;
    int32_t parcels;
    double parcel_fade; /* the newest parcel's opacity */
    double bow;         /* seconds since the parcel was put down; large: long ago */
    bool carries;
};

struct dw_hall {
    uint16_t width, height;
    double scale, off_x, off_y; /* drawing -> pixels */
    struct hall_state state, painted;
    bool is_painted;
    uint64_t last_us;
    uint8_t *room[2]; /* the whole hall by day and by night, I420 */
    /* What can change, as pixels: its room, the view through the door, and what is painted on. */
    cairo_surface_t *live_room[2], *outside[2], *glow[2], *canvas;
    int live_x, live_y, live_w, live_h;
    cairo_surface_t *part[2][PART_COUNT];
    double part_x[PART_COUNT], part_y[PART_COUNT]; /* of its corner from the feet, in its pixels */
    double part_scale;
    uint8_t *clean; /* the painted picture, I420, without noise */
    /* What the picture given last was made with besides `clean`: a frozen lens makes it again. */
    uint64_t last_seed;
    uint32_t last_clock_s;
    bool has_last;
    int8_t *noise[2];
    uint64_t seed;
    uint8_t *digit[11]; /* alpha masks */
    int digit_w, digit_h;
};

static uint64_t draw_random(struct dw_hall *h)
{
    uint64_t x = h->seed; /* xorshift64*: noise, not secrets */
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    h->seed = x;
    return x * UINT64_C(2685821657736338717);
}

static double clamp01(double v)
{
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

static double mix(double a, double b, double t)
{
    return a + (b - a) * t;
}

static double soft(double t)
{
    t = clamp01(t);
    return t * t * (3 - 2 * t);
}

/* ---- start-up ------------------------------------------------------------------------------ */

static cairo_surface_t *render(const unsigned char *svg, unsigned long len, const char *id, int w,
                               int h, RsvgRectangle view)
{
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, w, h);
    RsvgHandle *handle = rsvg_handle_new_from_data(svg, len, NULL);
    cairo_t *cr = cairo_create(s);
    bool ok = handle && cairo_status(cr) == CAIRO_STATUS_SUCCESS &&
              rsvg_handle_render_layer(handle, cr, id, &view, NULL);
    cairo_destroy(cr);
    if (handle)
        g_object_unref(handle);
    if (ok)
        return s;
    cairo_surface_destroy(s);
    return NULL;
}

/* Pixels of `from` to I420 (BT.709, limited range) of `w` x `h`, its corner at (x0, y0); all even.
 */
static void convert(cairo_surface_t *from, int x0, int y0, int cw, int ch, int w, int h,
                    uint8_t *i420)
{
    const uint8_t *px = cairo_image_surface_get_data(from);
    int stride = cairo_image_surface_get_stride(from);
    uint8_t *cb = i420 + (ptrdiff_t)w * h, *cr = cb + (ptrdiff_t)(w / 2) * (h / 2);
    for (int y = 0; y < ch; y++) {
        const uint8_t *in = px + (ptrdiff_t)y * stride;
        uint8_t *out = i420 + (ptrdiff_t)(y0 + y) * w + x0;
        for (int x = 0; x < cw; x++)
            out[x] =
                (uint8_t)(((16 * in[4 * x] + 157 * in[4 * x + 1] + 47 * in[4 * x + 2] + 128) >> 8) +
                          16);
    }
    for (int y = 0; y < ch; y += 2) {
        const uint8_t *a = px + (ptrdiff_t)y * stride, *b2 = a + stride;
        ptrdiff_t o = (ptrdiff_t)((y0 + y) / 2) * (w / 2) + x0 / 2;
        for (int x = 0; x < cw; x += 2) {
            int b = a[4 * x] + a[4 * x + 4] + b2[4 * x] + b2[4 * x + 4];
            int g = a[4 * x + 1] + a[4 * x + 5] + b2[4 * x + 1] + b2[4 * x + 5];
            int r = a[4 * x + 2] + a[4 * x + 6] + b2[4 * x + 2] + b2[4 * x + 6];
            cb[o + x / 2] = (uint8_t)(((-26 * r - 87 * g + 113 * b + 512) >> 10) + 128);
            cr[o + x / 2] = (uint8_t)(((112 * r - 102 * g - 10 * b + 512) >> 10) + 128);
        }
    }
}

/* The same figure under lamp light: darker and warmer. */
static cairo_surface_t *dim(cairo_surface_t *from)
{
    int w = cairo_image_surface_get_width(from), h = cairo_image_surface_get_height(from);
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, w, h);
    cairo_t *cr = cairo_create(s);
    cairo_set_source_surface(cr, from, 0, 0);
    cairo_paint(cr);
    cairo_set_operator(cr, CAIRO_OPERATOR_ATOP);
    cairo_set_source_rgba(cr, 0.10, 0.07, 0.05, 0.36);
    cairo_paint(cr);
    cairo_destroy(cr);
    return s;
}

/* Cuts off what is transparent all around; `*x` and `*y` move with the corner. */
static cairo_surface_t *crop(cairo_surface_t *from, double *x, double *y)
{
    cairo_surface_flush(from);
    int w = cairo_image_surface_get_width(from), h = cairo_image_surface_get_height(from);
    int stride = cairo_image_surface_get_stride(from), x0 = w, y0 = h, x1 = 0, y1 = 0;
    const uint8_t *px = cairo_image_surface_get_data(from);
    for (int j = 0; j < h; j++)
        for (int i = 0; i < w; i++)
            if (px[j * stride + 4 * i + 3]) {
                x0 = i < x0 ? i : x0;
                x1 = i >= x1 ? i + 1 : x1;
                y0 = j < y0 ? j : y0;
                y1 = j + 1;
            }
    if (x1 <= x0 || y1 <= y0)
        return from;
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, x1 - x0, y1 - y0);
    cairo_t *cr = cairo_create(s);
    cairo_set_source_surface(cr, from, -x0, -y0);
    cairo_paint(cr);
    cairo_destroy(cr);
    cairo_surface_destroy(from);
    *x += x0;
    *y += y0;
    return s;
}

static bool make_digits(struct dw_hall *h)
{
    double k = h->scale * 0.75;
    h->digit_w = (int)ceil(10 * k);
    h->digit_h = (int)ceil(14 * k);
    for (int i = 0; i < 11; i++) {
        char id[16] = "#digit-0";
        if (i == 10)
            memcpy(id, "#digit-colon", sizeof "#digit-colon");
        else
            id[7] = (char)('0' + i);
        /* The document is 180 x 240 units; its corner (-90, -230) moves so that (-1, -1) is ours.
         */
        cairo_surface_t *s =
            render(hall_people_svg, hall_people_svg_len, id, h->digit_w, h->digit_h,
                   (RsvgRectangle){-89 * k, -229 * k, PEOPLE_UNITS_W * k, PEOPLE_UNITS_H * k});
        h->digit[i] = calloc((size_t)h->digit_w, (size_t)h->digit_h);
        if (!s || !h->digit[i]) {
            if (s)
                cairo_surface_destroy(s);
            return false;
        }
        cairo_surface_flush(s);
        const uint8_t *px = cairo_image_surface_get_data(s);
        int stride = cairo_image_surface_get_stride(s);
        for (int y = 0; y < h->digit_h; y++)
            for (int x = 0; x < h->digit_w; x++)
                h->digit[i][y * h->digit_w + x] = px[y * stride + 4 * x + 3];
        cairo_surface_destroy(s);
    }
    return true;
}

/* The shine around the open door. A gradient of this size is slow to paint: once is enough. */
static cairo_surface_t *make_glow(const struct dw_hall *h, int night)
{
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, h->live_w, h->live_h);
    cairo_t *cr = cairo_create(s);
    cairo_translate(cr, h->off_x - h->live_x, h->off_y - h->live_y);
    cairo_scale(cr, h->scale, h->scale);
    cairo_pattern_t *p = cairo_pattern_create_radial(320, 200, 70, 320, 215, 160);
    double r = night ? 0.54 : 1, g = night ? 0.63 : 0.965, b = night ? 0.816 : 0.875;
    cairo_pattern_add_color_stop_rgba(p, 0, r, g, b, night ? 0.07 : 0.16);
    cairo_pattern_add_color_stop_rgba(p, 1, r, g, b, 0);
    cairo_set_source(cr, p);
    cairo_paint(cr);
    cairo_pattern_destroy(p);
    cairo_destroy(cr);
    return s;
}

static bool make_layers(struct dw_hall *h)
{
    RsvgRectangle all = {h->off_x, h->off_y, 640 * h->scale, 400 * h->scale};
    for (int n = 0; n < 2; n++) {
        const unsigned char *svg = n ? hall_room_night_svg : hall_room_day_svg;
        unsigned long len = n ? hall_room_night_svg_len : hall_room_day_svg_len;
        RsvgRectangle door = {-(HINGE_X)*h->scale, -(LEAF_T)*h->scale, all.width, all.height};
        cairo_surface_t *room = render(svg, len, "#room", h->width, h->height, all);
        if (!room)
            return false;
        cairo_surface_flush(room);
        convert(room, 0, 0, h->width, h->height, h->width, h->height, h->room[n]);
        h->live_room[n] = cairo_image_surface_create(CAIRO_FORMAT_RGB24, h->live_w, h->live_h);
        cairo_t *cr = cairo_create(h->live_room[n]);
        cairo_set_source_surface(cr, room, -h->live_x, -h->live_y);
        cairo_paint(cr);
        cairo_destroy(cr);
        cairo_surface_destroy(room);
        h->outside[n] = render(svg, len, "#outside", (int)ceil(LEAF_W * h->scale),
                               (int)ceil((LEAF_B - LEAF_T) * h->scale), door);
        h->glow[n] = make_glow(h, n);
        if (!h->outside[n])
            return false;
    }
    /* Nobody comes nearer than z = 100: people are rasterised at that size and only ever shrunk. */
    h->part_scale = h->scale * PERSON_SCALE * EYE / (EYE - 100);
    RsvgRectangle view = {0, 0, PEOPLE_UNITS_W * h->part_scale, PEOPLE_UNITS_H * h->part_scale};
    for (int i = 0; i < PART_COUNT; i++) {
        h->part[0][i] = render(hall_people_svg, hall_people_svg_len, part_id[i],
                               (int)ceil(view.width), (int)ceil(view.height), view);
        if (!h->part[0][i])
            return false;
        h->part_x[i] = -90 * h->part_scale;
        h->part_y[i] = -230 * h->part_scale;
        h->part[0][i] = crop(h->part[0][i], &h->part_x[i], &h->part_y[i]);
        h->part[1][i] = dim(h->part[0][i]);
    }
    h->canvas = cairo_image_surface_create(CAIRO_FORMAT_RGB24, h->live_w, h->live_h);
    return cairo_surface_status(h->canvas) == CAIRO_STATUS_SUCCESS && make_digits(h);
}

static void make_noise(struct dw_hall *h)
{
    for (int n = 0; n < 2; n++)
        for (uint32_t i = 0; i < NOISE_SPAN + h->width; i++) {
            uint64_t r = draw_random(h);
            int sum = 0; /* four dice: near enough to a sensor's bell curve */
            for (int k = 0; k < 4; k++)
                sum += (int)((r >> (16 * k)) & 0xff) - 127;
            /* standard deviation of the sum is 148: day 0.9, night 1.9 steps of luma */
            int v = (sum * (n ? 13 : 6) + (sum >= 0 ? 500 : -500)) / 1000;
            int most = n ? 5 : 3;
            h->noise[n][i] = (int8_t)(v > most ? most : v < -most ? -most : v);
        }
}

struct dw_hall *dw_hall_new(uint16_t width_px, uint16_t height_px, uint64_t seed)
{
    if (width_px < 160 || width_px > 1920 || height_px < 96 || height_px > 1200 || width_px % 2 ||
        height_px % 2)
        return NULL;
    struct dw_hall *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->width = width_px;
    h->height = height_px;
    h->seed = seed ? seed : 1;
    double sx = width_px / 640.0, sy = height_px / 400.0;
    h->scale = sx > sy ? sx : sy;
    h->off_x = (width_px - 640 * h->scale) / 2;
    h->off_y = (height_px - 400 * h->scale) * 0.35; /* cut more floor than ceiling */
    h->state.bow = 1e9;
    h->state.parcel_fade = 1;
    size_t bytes = dw_hall_bytes(h);
    h->live_x = (int)fmax(0, floor(LIVE_X * h->scale + h->off_x)) & ~1;
    h->live_y = (int)fmax(0, floor(LIVE_Y * h->scale + h->off_y)) & ~1;
    h->live_w =
        ((int)fmin(width_px, ceil((LIVE_X + LIVE_W) * h->scale + h->off_x) + 1) & ~1) - h->live_x;
    h->live_h =
        ((int)fmin(height_px, ceil((LIVE_Y + LIVE_H) * h->scale + h->off_y) + 1) & ~1) - h->live_y;
    h->clean = malloc(bytes);
    h->room[0] = malloc(bytes);
    h->room[1] = malloc(bytes);
    h->noise[0] = malloc(NOISE_SPAN + width_px);
    h->noise[1] = malloc(NOISE_SPAN + width_px);
    if (!h->clean || !h->room[0] || !h->room[1] || !h->noise[0] || !h->noise[1] ||
        !make_layers(h)) {
        dw_hall_free(h);
        return NULL;
    }
    make_noise(h);
    return h;
}

void dw_hall_free(struct dw_hall *h)
{
    if (!h)
        return;
    for (int n = 0; n < 2; n++) {
        free(h->room[n]);
        if (h->live_room[n])
            cairo_surface_destroy(h->live_room[n]);
        if (h->outside[n])
            cairo_surface_destroy(h->outside[n]);
        if (h->glow[n])
            cairo_surface_destroy(h->glow[n]);
        for (int i = 0; i < PART_COUNT; i++)
            if (h->part[n][i])
                cairo_surface_destroy(h->part[n][i]);
        free(h->noise[n]);
    }
    if (h->canvas)
        cairo_surface_destroy(h->canvas);
    for (int i = 0; i < 11; i++)
        free(h->digit[i]);
    free(h->clean);
    free(h);
}

size_t dw_hall_bytes(const struct dw_hall *h)
{
    return (size_t)h->width * h->height * 3 / 2;
}

/* ---- moving -------------------------------------------------------------------------------- */

static void move_person(struct person *p, int32_t place, double dt)
{
    double to = place < 0 || place > 3 ? 0 : place, gap = to - p->at;
    if (fabs(gap) < 0.004) {
        p->at = to;
        p->speed = 0;
        return;
    }
    p->faces_in = gap > 0;
    p->speed = fmin(p->speed + dt * 4, 1.7); /* off within half a second, 1.7 places a second */
    double step = fmin(p->speed, fabs(gap) * 4 + 0.1) * dt;
    p->at += gap > 0 ? fmin(step, gap) : fmax(-step, gap);
    p->stride += step * 7.5;
}

static void move(struct dw_hall *h, const struct dw_world *w, double dt)
{
    struct hall_state *s = &h->state;
    double door = clamp01((double)w->door_permille / 1000.0);
    double gap = door - s->door, step = fmin(fabs(gap) * 7 + 0.08, 1.9) * dt;
    s->door = fabs(gap) <= step ? door : s->door + (gap > 0 ? step : -step);
    double night = w->is_night ? 1 : 0;
    s->night += fmax(-dt / 0.7, fmin(dt / 0.7, night - s->night));

    bool was_here = s->courier.at > 0;
    move_person(&s->courier, w->person, dt);
    move_person(&s->thief, w->thief, dt);
    if (!was_here && s->courier.at > 0)
        s->carries = true;
    int32_t parcels = w->parcels_inside;
    if (parcels > s->parcels) {
        s->parcel_fade = 0;
        s->bow = 0;
        s->carries = false;
    }
    s->parcels = parcels < 0 ? 0 : parcels > PARCELS_MAX ? PARCELS_MAX : parcels;
    s->parcel_fade = clamp01(s->parcel_fade + dt / 0.35);
    s->bow += dt;
    if (s->bow > 1)
        s->bow = 1e9;
}

/* ---- painting ------------------------------------------------------------------------------ */

static double enlarge(double z)
{
    return EYE / (EYE - z);
}

static void place_of(const struct person *p, double door, double *ret_x, double *ret_z)
{
    double at = p->at > 3 ? 3 : p->at < 0 ? 0 : p->at;
    int i = at >= 3 ? 2 : (int)at;
    *ret_x = mix(places[i].x, places[i + 1].x, at - i);
    *ret_z = mix(places[i].z, places[i + 1].z, at - i);
    /* who waits before a closed door stands beside it, by the side light, and rings */
    if (at > 0 && at < 2)
        *ret_x += 50 * (1 - soft(door * 3)) * (1 - fabs(at - 1));
}

static void put(struct dw_hall *h, cairo_t *cr, enum part part, double x, double y, double k,
                double shrink, double alpha)
{
    double f =
        k / (h->part_scale / h->scale); /* drawing units of a rasterised pixel, times scale */
    for (int n = 0; n < 2; n++) {
        double a = n ? h->state.night : 1;
        if (a <= 0)
            continue;
        cairo_save(cr);
        cairo_translate(cr, x, y);
        cairo_scale(cr, f / h->scale, f / h->scale * shrink);
        cairo_set_source_surface(cr, h->part[n][part], h->part_x[part], h->part_y[part]);
        cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_BILINEAR);
        cairo_paint_with_alpha(cr, a * alpha);
        cairo_restore(cr);
    }
}

static void paint_person(struct dw_hall *h, cairo_t *cr, const struct person *p, bool is_thief)
{
    double x, z;
    place_of(p, h->state.door, &x, &z);
    double k = enlarge(z), size = PERSON_SCALE * k;
    double px = MID_X + (x - MID_X) * k + (is_thief ? -6 : 0);
    double py = MID_Y + (FLOOR_Y - MID_Y) * k;
    bool walks = p->speed > 0;
    double left = walks ? fmax(0, sin(p->stride)) : 0, right = walks ? fmax(0, -sin(p->stride)) : 0;
    double bob = walks ? fabs(cos(p->stride)) * 2.2 * size : 0;
    double bow = !is_thief && h->state.bow < 1 ? sin(h->state.bow * M_PI) : 0;
    double top = 1 - 0.10 * bow;

    put(h, cr, PART_SHADOW, px, py, size, 1, 1);
    put(h, cr, is_thief ? PART_STRANGER_LEG_LEFT : PART_COURIER_LEG_LEFT, px, py - left * 7 * size,
        size, 1 - 0.06 * bow, 1);
    put(h, cr, is_thief ? PART_STRANGER_LEG_RIGHT : PART_COURIER_LEG_RIGHT, px,
        py - right * 7 * size, size, 1 - 0.06 * bow, 1);
    py -= bob - bow * 7 * size;
    if (is_thief) {
        put(h, cr, p->faces_in || !walks ? PART_STRANGER_FRONT : PART_STRANGER_BACK, px, py, size,
            1, 1);
        return;
    }
    bool faces_in = p->faces_in;
    if (!faces_in && !h->state.carries)
        put(h, cr, PART_COURIER_ARMS_DOWN, px, py, size, top, 1);
    put(h, cr, faces_in ? PART_COURIER_FRONT : PART_COURIER_BACK, px, py, size, top, 1);
    if (faces_in)
        put(h, cr, h->state.carries ? PART_COURIER_ARMS_CARRY : PART_COURIER_ARMS_DOWN, px, py,
            size, top, 1);
}

/* A point of the leaf (u across from the hinge, v down in the drawing's units) at `angle`. */
static void leaf_point(double u, double v, double angle, double *ret_x, double *ret_y)
{
    double k = enlarge(u * sin(angle));
    *ret_x = MID_X + (HINGE_X + u * cos(angle) - MID_X) * k;
    *ret_y = MID_Y + (v - MID_Y) * k;
}

static void leaf_panel(struct dw_hall *h, cairo_t *cr, double angle, double u, double v, double w,
                       double t, const double day[3], const double night[3])
{
    double shade = 1 - 0.18 * sin(angle < M_PI / 2 ? angle : M_PI / 2);
    for (int i = 0; i < 4; i++) {
        double x, y;
        leaf_point(i == 1 || i == 2 ? u + w : u, i >= 2 ? v + t : v, angle, &x, &y);
        if (i == 0)
            cairo_move_to(cr, x, y);
        else
            cairo_line_to(cr, x, y);
    }
    cairo_close_path(cr);
    cairo_set_source_rgb(cr, mix(day[0], night[0], h->state.night) * shade / 255,
                         mix(day[1], night[1], h->state.night) * shade / 255,
                         mix(day[2], night[2], h->state.night) * shade / 255);
    cairo_fill(cr);
}

static void paint_leaf(struct dw_hall *h, cairo_t *cr)
{
    static const double wood[2][3] = {{44, 92, 86}, {28, 64, 59}};
    static const double deep[2][3] = {{33, 72, 66}, {20, 48, 44}};
    static const double lit[2][3] = {{59, 113, 106}, {40, 84, 78}};
    static const double brass[2][3] = {{210, 160, 74}, {185, 138, 62}};
    static const double edge[2][3] = {{24, 52, 48}, {12, 28, 26}};
    double a = h->state.door * ANGLE_MAX;
    leaf_panel(h, cr, a, 0, LEAF_T, LEAF_W, LEAF_B - LEAF_T, wood[0], wood[1]);
    for (int i = 0; i < 4; i++) {
        double u = i % 2 ? 57 : 11, v = i < 2 ? 103 : 208, t = i < 2 ? 74 : 76;
        leaf_panel(h, cr, a, u, v, 36, t, deep[0], deep[1]);
        leaf_panel(h, cr, a, u + 4, v + 4, 28, t - 8, lit[0], lit[1]);
    }
    leaf_panel(h, cr, a, 33, 187, 38, 8, brass[0], brass[1]); /* letter slot */
    leaf_panel(h, cr, a, 91, 178, 8, 30, brass[0], brass[1]); /* plate and lever */
    leaf_panel(h, cr, a, 79, 196.5, 14, 5, brass[0], brass[1]);
    if (h->state.door > 0.01) /* the leaf is thick: its free edge shows */
        leaf_panel(h, cr, a, LEAF_W - 2.5, LEAF_T, 2.5, LEAF_B - LEAF_T, edge[0], edge[1]);
}

/* A layer of pixels as source, its corner at (x, y) of the drawing. */
static void set_layer(struct dw_hall *h, cairo_t *cr, cairo_surface_t *s, double x, double y)
{
    cairo_matrix_t m;
    cairo_matrix_init_scale(&m, h->scale, h->scale);
    cairo_matrix_translate(&m, -x, -y);
    cairo_set_source_surface(cr, s, 0, 0);
    cairo_pattern_set_matrix(cairo_get_source(cr), &m);
    cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_NEAREST);
}

/* Someone outside shows through the clear glass beside the door, softly. */
static void paint_side_lights(struct dw_hall *h, cairo_t *cr)
{
    double clear = h->state.night > 0.5 ? 0.75 : 0.7;
    cairo_save(cr);
    cairo_rectangle(cr, 248, 98, 11, 196);
    cairo_rectangle(cr, 381, 98, 11, 196);
    cairo_clip(cr);
    cairo_push_group(cr);
    if (h->state.thief.at > 0 && h->state.thief.at < 1.9)
        paint_person(h, cr, &h->state.thief, true);
    if (h->state.courier.at > 0 && h->state.courier.at < 1.9)
        paint_person(h, cr, &h->state.courier, false);
    cairo_pop_group_to_source(cr);
    cairo_paint_with_alpha(cr, clear);
    double day[3] = {249, 244, 234}, night[3] = {156, 138, 112}, n = h->state.night;
    cairo_set_source_rgb(cr, mix(day[0], night[0], n) / 255, mix(day[1], night[1], n) / 255,
                         mix(day[2], night[2], n) / 255);
    cairo_set_line_width(cr, 2.5);
    for (int i = 0; i < 3; i++) {
        cairo_move_to(cr, 248, 147 + 49 * i);
        cairo_line_to(cr, 392, 147 + 49 * i);
    }
    cairo_stroke(cr);
    cairo_restore(cr);
}

static void paint_doorway(struct dw_hall *h, cairo_t *cr)
{
    double n = h->state.night;
    cairo_save(cr);
    cairo_rectangle(cr, HINGE_X, LEAF_T, LEAF_W, LEAF_B - LEAF_T);
    cairo_clip(cr);
    if (n < 1) {
        set_layer(h, cr, h->outside[0], HINGE_X, LEAF_T);
        cairo_paint(cr);
    }
    if (n > 0) {
        set_layer(h, cr, h->outside[1], HINGE_X, LEAF_T);
        cairo_paint_with_alpha(cr, n);
    }
    if (h->state.thief.at > 0 && h->state.thief.at < 1.9)
        paint_person(h, cr, &h->state.thief, true);
    if (h->state.courier.at > 0 && h->state.courier.at < 1.9)
        paint_person(h, cr, &h->state.courier, false);
    cairo_restore(cr);
}

/* Light that falls through the open door: a patch on the floor and a glow on the frame. */
static void paint_light(struct dw_hall *h, cairo_t *cr)
{
    double d = h->state.door, n = h->state.night;
    if (d <= 0)
        return;
    double open = 1 - fmax(0, cos(d * ANGLE_MAX)); /* share of the opening that is free */
    double x0 = mix(372, 268, open), far0 = mix(432, 208, open);
    cairo_pattern_t *p = cairo_pattern_create_linear(0, 300, 0, 404);
    double r = mix(255, 138, n) / 255, g = mix(246, 160, n) / 255, b = mix(223, 208, n) / 255;
    cairo_pattern_add_color_stop_rgba(p, 0, r, g, b, mix(0.50, 0.22, n));
    cairo_pattern_add_color_stop_rgba(p, 1, r, g, b, mix(0.16, 0.04, n));
    cairo_move_to(cr, x0, 300);
    cairo_line_to(cr, 372, 300);
    cairo_line_to(cr, 432, 404);
    cairo_line_to(cr, far0, 404);
    cairo_close_path(cr);
    cairo_set_source(cr, p);
    cairo_fill(cr);
    cairo_pattern_destroy(p);
    for (int i = 0; i < 2; i++) {
        double share = (i ? n : 1 - n) * open;
        if (share <= 0)
            continue;
        set_layer(h, cr, h->glow[i], (h->live_x - h->off_x) / h->scale,
                  (h->live_y - h->off_y) / h->scale);
        cairo_paint_with_alpha(cr, share);
    }
}

static void paint_parcels(struct dw_hall *h, cairo_t *cr)
{
    static const struct place at[PARCELS_MAX] = {
        {372, 66}, {398, 48}, {394, 84}, {420, 66}, {383, 52}};
    for (int i = 0; i < h->state.parcels; i++) {
        double k = enlarge(at[i].z);
        double a = i == h->state.parcels - 1 ? h->state.parcel_fade : 1;
        put(h, cr, PART_PARCEL, MID_X + (at[i].x - MID_X) * k,
            MID_Y + (FLOOR_Y - MID_Y) * k - (1 - a) * 26, 0.70 * k, 1, a);
    }
}

static bool is_same_person(const struct person *a, const struct person *b)
{
    return a->at == b->at && a->speed == b->speed && a->faces_in == b->faces_in;
}

/* Nothing to paint again. Values are compared as they were copied, so == is meant on the doubles.
 */
static bool is_same(const struct hall_state *a, const struct hall_state *b)
{
    return a->door == b->door && a->night == b->night && a->parcels == b->parcels &&
           a->parcel_fade == b->parcel_fade && a->bow == b->bow && a->carries == b->carries &&
           is_same_person(&a->courier, &b->courier) && is_same_person(&a->thief, &b->thief);
}

/* The room between day and night; what can change is painted over it. */
static void lay_room(struct dw_hall *h)
{
    size_t bytes = dw_hall_bytes(h);
    int n = (int)(h->state.night * 256);
    if (n <= 0 || n >= 256) {
        memcpy(h->clean, h->room[n > 0], bytes);
        return;
    }
    for (size_t i = 0; i < bytes; i++)
        h->clean[i] = (uint8_t)((h->room[0][i] * (256 - n) + h->room[1][i] * n) >> 8);
}

static void paint(struct dw_hall *h)
{
    double n = h->state.night;
    if (!h->is_painted || h->painted.night != n)
        lay_room(h);
    cairo_t *cr = cairo_create(h->canvas);
    cairo_set_source_surface(cr, h->live_room[n >= 1], 0, 0);
    cairo_paint(cr);
    if (n > 0 && n < 1) {
        cairo_set_source_surface(cr, h->live_room[1], 0, 0);
        cairo_paint_with_alpha(cr, n);
    }
    cairo_translate(cr, h->off_x - h->live_x, h->off_y - h->live_y);
    cairo_scale(cr, h->scale, h->scale);
    paint_side_lights(h, cr);
    if (h->state.door > 0)
        paint_doorway(h, cr);
    paint_light(h, cr);
    paint_leaf(h, cr);
    paint_parcels(h, cr);
    if (h->state.thief.at >= 1.9)
        paint_person(h, cr, &h->state.thief, true);
    if (h->state.courier.at >= 1.9)
        paint_person(h, cr, &h->state.courier, false);
    cairo_destroy(cr);
    cairo_surface_flush(h->canvas);
    convert(h->canvas, h->live_x, h->live_y, h->live_w, h->live_h, h->width, h->height, h->clean);
    h->painted = h->state;
    h->is_painted = true;
}

/* ---- one picture --------------------------------------------------------------------------- */

static void add_noise(struct dw_hall *h, int night, const uint8_t *from, uint8_t *to)
{
    for (int y = 0; y < h->height; y++) {
        const int8_t *n = h->noise[night] + (draw_random(h) >> 40) % NOISE_SPAN;
        const uint8_t *a = from + (ptrdiff_t)y * h->width;
        uint8_t *b = to + (ptrdiff_t)y * h->width;
        for (int x = 0; x < h->width; x++) /* limited range: cannot wrap */
            b[x] = (uint8_t)(a[x] + n[x]);
    }
}

static void burn_clock(struct dw_hall *h, uint32_t clock_s, uint8_t *i420)
{
    int w = h->width, adv = h->digit_w - h->digit_w / 8;
    int x0 = (int)(8 * h->scale) & ~1, y0 = (int)(8 * h->scale) & ~1;
    int bw = (adv * 8 + h->digit_w / 2 + 1) & ~1, bh = (h->digit_h + h->digit_h / 3 + 1) & ~1;
    if (x0 + bw > w || y0 + bh > h->height)
        return;
    uint8_t *cb = i420 + (size_t)w * h->height, *cr = cb + (size_t)(w / 2) * (h->height / 2);
    for (int y = y0; y < y0 + bh; y++)
        for (int x = x0; x < x0 + bw; x++)
            i420[y * w + x] = (uint8_t)(i420[y * w + x] / 3 + 12);
    for (int y = y0 / 2; y < (y0 + bh) / 2; y++) {
        memset(cb + y * (w / 2) + x0 / 2, 128, (size_t)bw / 2);
        memset(cr + y * (w / 2) + x0 / 2, 128, (size_t)bw / 2);
    }
    uint32_t s = clock_s % 86400;
    uint32_t d[8] = {s / 36000, s / 3600 % 10, 10,    s / 600 % 6, s / 60 % 10,
                     10,        s / 10 % 6,    s % 10};
    for (int i = 0; i < 8; i++) {
        int gx = x0 + h->digit_w / 4 + i * adv, gy = y0 + h->digit_h / 6;
        const uint8_t *mask = h->digit[d[i]];
        for (int y = 0; y < h->digit_h; y++)
            for (int x = 0; x < h->digit_w; x++) {
                uint8_t *p = &i420[(gy + y) * w + gx + x];
                *p = (uint8_t)(*p + (232 - *p) * mask[y * h->digit_w + x] / 255);
            }
    }
}

/* `clean` with the noise and the clock that go with it. */
static void finish(struct dw_hall *h, uint32_t clock_s, uint8_t *ret_i420)
{
    size_t luma = (size_t)h->width * h->height;
    add_noise(h, h->state.night > 0.5, h->clean, ret_i420);
    memcpy(ret_i420 + luma, h->clean + luma, dw_hall_bytes(h) - luma);
    burn_clock(h, clock_s, ret_i420);
}

void dw_hall_picture(struct dw_hall *h, const struct dw_world *world, uint64_t now_us,
                     uint32_t clock_s, uint8_t *ret_i420)
{
    size_t bytes = dw_hall_bytes(h), luma = (size_t)h->width * h->height;
    int32_t lens = world->lens;
    if (lens == DW_LENS_FROZEN && h->has_last) { /* the world goes on, the picture does not */
        uint64_t seed = h->seed;
        h->seed = h->last_seed;
        finish(h, h->last_clock_s, ret_i420);
        h->seed = seed;
        return;
    }
    double dt = h->last_us && now_us > h->last_us ? (double)(now_us - h->last_us) / 1e6 : 0;
    h->last_us = now_us;
    move(h, world, fmin(dt, 0.25));
    if (lens == DW_LENS_COVERED) { /* a cap: the black level and the sensor's own noise */
        memset(ret_i420, 22, luma);
        memset(ret_i420 + luma, 128, bytes - luma);
        add_noise(h, 0, ret_i420, ret_i420);
        h->has_last = false;
        return;
    }
    if (!h->is_painted || !is_same(&h->painted, &h->state))
        paint(h);
    h->last_seed = h->seed;
    h->last_clock_s = clock_s;
    h->has_last = true;
    finish(h, clock_s, ret_i420);
}
