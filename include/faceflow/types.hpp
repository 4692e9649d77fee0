// SPDX-License-Identifier: Apache-2.0
// The types of the public API: pictures in, faces out. Plain data, no ownership.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace faceflow {

// Identifies one frame. Sequences start at 0 and grow strictly within a source.
struct frame_id {
    std::uint32_t source = 0;
    std::uint64_t sequence = 0;
    friend auto operator<=>(const frame_id&, const frame_id&) = default;
};

// Memory layouts that faceflow samples in place. Planar names list the planes in order; `le` formats hold little-endian
// 16-bit samples with the value in the low bits (p010/p012: in the high bits). The numbers are sent to other processes
// and programs: a new format takes the next number, and no number is reused.
enum class pixel_format : std::uint8_t {
    none = 0,
    gray8 = 1,
    gray10le = 2,
    gray12le = 3,
    gray16le = 4,
    nv12 = 5,  // Y, then interleaved UV at half size
    nv21 = 6,  // Y, then interleaved VU
    nv16 = 7,  // 4:2:2 with interleaved UV
    i420 = 8,
    i422 = 9,
    i440 = 10,
    i444 = 11,
    i411 = 12,
    i420_10le = 13,
    i422_10le = 14,
    i444_10le = 15,
    i420_12le = 16,
    i422_12le = 17,
    i444_12le = 18,
    p010le = 19,
    p012le = 20,
    yuyv422 = 21,
    uyvy422 = 22,
    rgb24 = 23,
    bgr24 = 24,
    rgba32 = 25,  // bytes R G B A; alpha is ignored
    bgra32 = 26,
    argb32 = 27,
    abgr32 = 28,
    gbrp = 29,  // planes G, B, R
    gbrp10le = 30,
    pal8 = 31,  // plane 0: indices; plane 1: 256 entries of bytes B G R A
};

[[nodiscard]] std::string_view name(pixel_format format) noexcept;

enum class colour_matrix : std::uint8_t { rgb = 0, bt601 = 1, bt709 = 2, bt2020 = 3 };
enum class colour_range : std::uint8_t { limited = 0, full = 1 };
// Transfer function: standard dynamic range, or HDR (PQ: SMPTE ST 2084; HLG: ARIB STD-B67). Models get the values
// unconverted.
enum class colour_transfer : std::uint8_t { sdr = 0, pq = 1, hlg = 2 };
// Horizontal position of a subsampled chroma sample: at the left luma sample (MPEG-2, H.264) or between two (JPEG).
enum class chroma_site : std::uint8_t { left = 0, centre = 1 };

// Clockwise turn that makes a stored picture upright.
enum class rotation : std::uint8_t { none = 0, cw90 = 1, cw180 = 2, cw270 = 3 };

struct plane {
    const std::uint8_t* data = nullptr;
    std::int32_t stride = 0;  // bytes from one row to the next; negative for bottom-up pictures
};

// A view of one stored picture; it owns nothing. `width` and `height` are those of the stored picture. All coordinates
// are in the upright picture: columns stretched to `square_width`, then turned, then mirrored.
struct image {
    pixel_format format = pixel_format::none;
    colour_matrix matrix = colour_matrix::bt709;
    colour_range range = colour_range::limited;
    chroma_site site = chroma_site::left;
    colour_transfer transfer = colour_transfer::sdr;
    rotation turn = rotation::none;
    bool mirrored = false;  // mirrored left to right, after the turn
    std::int32_t width = 0;
    std::int32_t height = 0;
    std::int32_t square_width = 0;  // columns it would have in square pixels; 0: its pixels are square
    std::array<plane, 4> planes{};

    [[nodiscard]] bool sideways() const noexcept { return turn == rotation::cw90 || turn == rotation::cw270; }
    [[nodiscard]] std::int32_t shown_width() const noexcept { return square_width > 0 ? square_width : width; }
    [[nodiscard]] std::int32_t upright_width() const noexcept { return sideways() ? height : shown_width(); }
    [[nodiscard]] std::int32_t upright_height() const noexcept { return sideways() ? shown_width() : height; }
};

// Coordinates below are pixels of the upright frame; (0, 0) is the outer corner of the top-left pixel,
// so that pixel's centre is (0.5, 0.5). x grows to the right, y downwards.
struct point {
    float x = 0, y = 0;
};

// z shares the scale of x and y; smaller is nearer to the camera; its origin is near the head's centre.
struct point3 {
    float x = 0, y = 0, z = 0;
};

struct rect {
    float x = 0, y = 0, width = 0, height = 0;
};

inline constexpr int landmark_count = 478;

// Order of the 5 keypoints. Left and right are the person's own.
enum class keypoint : std::uint8_t { right_eye, left_eye, nose, right_mouth, left_mouth };

// Head pose. Angles in degrees, all 0 for a face that looks straight into the camera:
//   yaw   > 0: the person turns to their own left (the nose moves to the picture's right)
//   pitch > 0: the person looks up
//   roll  > 0: the head tilts clockwise as seen in the picture
// `matrix` is row-major and maps the canonical face (centimetres) to camera space (centimetres; x right, y up,
// z towards the viewer, the camera at the origin looking along -z), for a pinhole camera with the focal length
// given in the options.
struct head_pose {
    float yaw = 0, pitch = 0, roll = 0;
    std::array<float, 16> matrix{};
};

inline constexpr float not_measured = std::numeric_limits<float>::quiet_NaN();

// What is computed from a face's landmarks and pose, as they were found, and from its pixels: smoothing comes after it.
// Right and left are the person's own. docs/measures.md has each formula, its source and its limits. Not finite: it
// could not be measured. Lengths are distances in space (x, y and z), so that turning the head changes them little.
struct face_measures {
    // Eye aspect ratio: the mean distance of the lids over the distance of the eye's corners. About 0.3 open, 0.1 shut.
    float eye_open_right = not_measured, eye_open_left = not_measured;
    // Shares of the distance between the outer corners of the eyes.
    float mouth_open = not_measured;                            // between the lips' inner edges
    float smile_width = not_measured;                           // between the mouth's corners
    float brow_right = not_measured, brow_left = not_measured;  // from the middle of the eye to the brow

    // Where each eye looks, in degrees, by geometry: the iris's place between the corners of the eye, on an eyeball of
    // assumed size. Signs are those of head_pose. In the head's space: 0 is straight ahead of the head.
    float gaze_right_yaw = not_measured, gaze_right_pitch = not_measured;
    float gaze_left_yaw = not_measured, gaze_left_pitch = not_measured;
    // The same in camera space: 0 is parallel to the camera's axis, towards it.
    float gaze_camera_right_yaw = not_measured, gaze_camera_right_pitch = not_measured;
    float gaze_camera_left_yaw = not_measured, gaze_camera_left_pitch = not_measured;

    // Change of the pose since the track's previous frame, in degrees per second: of each angle, and of the head's
    // direction as a whole (>= 0). Not measured in a track's first frame, and after more than 1 s without the face.
    float yaw_rate = not_measured, pitch_rate = not_measured, roll_rate = not_measured;
    float turn_rate = not_measured;

    // The share of the face's skin that the pose turns towards the camera, 0..1: 1 from the front, 0.5 in profile.
    float facing = not_measured;

    // Of the middle of the face, from the brows to the mouth, as the landmark model sees it: always 96 x 96 pixels,
    // whatever the face's size. Mean and standard deviation of luma, 0..255; and the variance of its Laplacian, >= 0: a
    // face that is out of focus, moves fast or has few pixels has little of it.
    float brightness = not_measured, contrast = not_measured;
    float sharpness = not_measured;
};

// How measures of these names differ from the face's own baseline, the median over the first seconds of its track
// (options::baseline): the measure minus the baseline. Not measured before the baseline is known.
struct face_changes {
    float eye_open_right = not_measured, eye_open_left = not_measured;
    float mouth_open = not_measured, smile_width = not_measured;
    float brow_right = not_measured, brow_left = not_measured;
};

// The head's pose as OpenFace 2 writes it (pose_Tx … pose_Rz): the head in camera space, in mm (x right, y down, z away
// from the camera), and its rotation there, in radians, R = Rx * Ry * Rz. All angles are 0 for a face that looks straight
// into the camera; rx > 0: it looks down; ry > 0: it turns to the person's own right; rz > 0: it tilts clockwise as seen in
// the picture. Rates are the angles' change since the track's previous frame, in radians per second, measured where those
// of face_measures are, and like those before anything is smoothed.
struct openface_pose {
    float tx = not_measured, ty = not_measured, tz = not_measured;
    float rx = not_measured, ry = not_measured, rz = not_measured;
    float rx_rate = not_measured, ry_rate = not_measured, rz_rate = not_measured;
};

// Facial movements, each 0..1, by MediaPipe's names: left and right are the person's own.
inline constexpr int blendshape_count = 52;
inline constexpr std::array<std::string_view, blendshape_count> blendshape_names{
    "_neutral",         "browDownLeft",      "browDownRight",      "browInnerUp",
    "browOuterUpLeft",  "browOuterUpRight",  "cheekPuff",          "cheekSquintLeft",
    "cheekSquintRight", "eyeBlinkLeft",      "eyeBlinkRight",      "eyeLookDownLeft",
    "eyeLookDownRight", "eyeLookInLeft",     "eyeLookInRight",     "eyeLookOutLeft",
    "eyeLookOutRight",  "eyeLookUpLeft",     "eyeLookUpRight",     "eyeSquintLeft",
    "eyeSquintRight",   "eyeWideLeft",       "eyeWideRight",       "jawForward",
    "jawLeft",          "jawOpen",           "jawRight",           "mouthClose",
    "mouthDimpleLeft",  "mouthDimpleRight",  "mouthFrownLeft",     "mouthFrownRight",
    "mouthFunnel",      "mouthLeft",         "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthPressLeft",   "mouthPressRight",   "mouthPucker",        "mouthRight",
    "mouthRollLower",   "mouthRollUpper",    "mouthShrugLower",    "mouthShrugUpper",
    "mouthSmileLeft",   "mouthSmileRight",   "mouthStretchLeft",   "mouthStretchRight",
    "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft",      "noseSneerRight"};

constexpr std::array<float, blendshape_count> no_blendshapes() {
    std::array<float, blendshape_count> all{};
    all.fill(not_measured);
    return all;
}

// src/media/face_fields.hpp describes how each member is written to result files: a new member needs an entry there.
struct face {
    std::int64_t track = 0;  // 1, 2, … within a source; 0: not tracked (yet)
    float score = 0;         // the detector's, 0..1
    float presence = 0;      // the landmark model's confidence that its region holds a face, 0..1
    rect box;
    std::array<point, 5> keypoints{};
    std::array<point3, landmark_count> landmarks{};
    head_pose pose;
    face_measures measures;
    // In the order of blendshape_names; not finite if the landmark model has none (options::landmarks). Computed from
    // the landmarks as they were found: smoothing comes after it.
    std::array<float, blendshape_count> blendshapes = no_blendshapes();
    openface_pose openface;  // `pose` by another convention; only if asked for (options::pose_convention)
    face_changes changes;    // only if asked for (options::baseline)
};

// A blink of both eyes. Times are of the same clock as frame_faces::pts_ns: `apex_ns` is that of a frame; the others lie
// between frames, where the eyes pass 80 % of how far they were open in the seconds before.
struct blink {
    std::int64_t track = 0;
    std::int64_t onset_ns = 0;   // the eyes begin to close
    std::int64_t apex_ns = 0;    // they are least open
    std::int64_t offset_ns = 0;  // they are open again
    float depth = 0;             // how far they closed, 0..1: 1 if nothing was left of how far they were open
};

// What somebody said of a moment, such as "stimulus on".
struct marker {
    std::string text;
    std::int64_t pts_ns = 0;  // of the frame that was the newest
};

// All faces of one frame. `faces` is ordered by track, then by descending score.
struct frame_faces {
    frame_id id;
    std::int64_t pts_ns = 0;  // presentation time within the source
    std::int32_t width = 0;   // of the upright frame
    std::int32_t height = 0;
    std::vector<face> faces;
    std::vector<blink> blinks = {};  // that ended with this frame, by track; src/media/event_fields.hpp describes them
    std::vector<marker> markers = {};  // since the frame before
};

}  // namespace faceflow
