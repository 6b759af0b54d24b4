/* sim/hall/hall_assets.h - the drawings, as bytes (made by embed.py). */
#ifndef DW_SIM_HALL_ASSETS_H
#define DW_SIM_HALL_ASSETS_H

extern const unsigned char hall_room_day_svg[], hall_room_night_svg[], hall_people_svg[];
extern const unsigned long hall_room_day_svg_len, hall_room_night_svg_len, hall_people_svg_len;

#endif
