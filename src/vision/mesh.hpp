// SPDX-License-Identifier: Apache-2.0
// From the landmark model's outputs to a face in the frame: landmarks, presence, head pose, and the region in which to
// look for the same face in the next frame. Host/device functions.
#pragma once

#include "core/hd.hpp"
#include "vision/detect.hpp"
#include "vision/records.hpp"
#include "vision/sampling.hpp"

namespace faceflow::internal::vision {

// One point of the canonical face with its weight in the pose fit.
struct pose_anchor {
    std::int32_t landmark = 0;
    float weight = 0;
    float x = 0, y = 0, z = 0;  // centimetres; x right, y up, z towards the viewer
};

struct pose_basis {
    const pose_anchor* anchors = nullptr;
    std::int32_t count = 0;
};

struct mesh_options {
    float model_size = 192;
    float focal = 0;  // pixels; 0: from a vertical field of view of 63 degrees (MediaPipe's face geometry default)
    float region_scale = 1.5f;
    float frame_width = 0, frame_height = 0;
    bool mouth_from_mesh = false;  // the detector does not provide the mouth's corners
};

// What the models of a pass leave for its faces: the mesh's outputs, what it saw, and where the model of blendshapes
// reads.
struct mesh_output {
    const float* landmarks = nullptr;  // capacity x 478 x 3
    const float* scores = nullptr;     // capacity
    point* points = nullptr;           // capacity x blendshape_points, written with the records; null: no such model
    tensor_target crops = {};          // of the first face; the others follow. Without data nothing is measured of them
};

namespace detail {

// Eigenvector of the largest eigenvalue of a symmetric 4x4 matrix, by cyclic Jacobi rotations.
FACEFLOW_HD inline void dominant_eigenvector(float a[4][4], float out[4]) {
    float v[4][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}};
    for (int sweep = 0; sweep < 12; ++sweep) {
        for (int p = 0; p < 3; ++p) {
            for (int q = p + 1; q < 4; ++q) {
                if (fabsf(a[p][q]) < 1e-12f) continue;
                const float theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
                const float t = (theta >= 0 ? 1.0f : -1.0f) / (fabsf(theta) + sqrtf(theta * theta + 1));
                const float c = 1 / sqrtf(t * t + 1), s = t * c;
                for (int k = 0; k < 4; ++k) {
                    const float kp = a[k][p], kq = a[k][q];
                    a[k][p] = c * kp - s * kq;
                    a[k][q] = s * kp + c * kq;
                }
                for (int k = 0; k < 4; ++k) {
                    const float pk = a[p][k], qk = a[q][k];
                    a[p][k] = c * pk - s * qk;
                    a[q][k] = s * pk + c * qk;
                    const float vp = v[k][p], vq = v[k][q];
                    v[k][p] = c * vp - s * vq;
                    v[k][q] = s * vp + c * vq;
                }
            }
        }
    }
    int best = 0;
    for (int i = 1; i < 4; ++i)
        best = a[i][i] > a[best][best] ? i : best;
    for (int i = 0; i < 4; ++i)
        out[i] = v[i][best];
}

}  // namespace detail

// Weighted orthogonal Procrustes fit of the canonical face to the landmarks under weak perspective (B. Horn,
// "Closed-form solution of absolute orientation using unit quaternions", 1987). Depth is focal length over scale, so
// its accuracy is that of the focal length and of the average head's size.
FACEFLOW_HD inline head_pose pose_of(const point3* landmarks, const pose_basis& basis, const mesh_options& o) {
    // Landmarks in camera axes: x right, y up, z towards the viewer.
    float wsum = 0, pm[3] = {0, 0, 0}, qm[3] = {0, 0, 0};
    for (std::int32_t i = 0; i < basis.count; ++i) {
        const pose_anchor& a = basis.anchors[i];
        const point3& l = landmarks[a.landmark];
        const float p[3] = {a.x, a.y, a.z}, q[3] = {l.x, -l.y, -l.z};
        wsum += a.weight;
        for (int k = 0; k < 3; ++k) {
            pm[k] += a.weight * p[k];
            qm[k] += a.weight * q[k];
        }
    }
    for (int k = 0; k < 3; ++k) {
        pm[k] /= wsum;
        qm[k] /= wsum;
    }
    float m[3][3] = {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}}, pp = 0;
    for (std::int32_t i = 0; i < basis.count; ++i) {
        const pose_anchor& a = basis.anchors[i];
        const point3& l = landmarks[a.landmark];
        const float p[3] = {a.x - pm[0], a.y - pm[1], a.z - pm[2]}, q[3] = {l.x - qm[0], -l.y - qm[1], -l.z - qm[2]};
        for (int r = 0; r < 3; ++r) {
            pp += a.weight * p[r] * p[r];
            for (int c = 0; c < 3; ++c)
                m[r][c] += a.weight * p[r] * q[c];
        }
    }
    float n[4][4] = {
        {m[0][0] + m[1][1] + m[2][2], m[1][2] - m[2][1], m[2][0] - m[0][2], m[0][1] - m[1][0]},
        {0, m[0][0] - m[1][1] - m[2][2], m[0][1] + m[1][0], m[2][0] + m[0][2]},
        {0, 0, -m[0][0] + m[1][1] - m[2][2], m[1][2] + m[2][1]},
        {0, 0, 0, -m[0][0] - m[1][1] + m[2][2]},
    };
    float largest = 1e-20f;
    for (int r = 0; r < 4; ++r) {
        for (int c = r; c < 4; ++c) {
            n[c][r] = n[r][c];
            largest = fmaxf(largest, fabsf(n[r][c]));
        }
    }
    for (auto& row : n) {
        for (float& v : row)
            v /= largest;
    }
    float q[4];
    detail::dominant_eigenvector(n, q);
    const float w = q[0], x = q[1], y = q[2], z = q[3];
    const float r[3][3] = {{1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)},
                           {2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)},
                           {2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)}};
    float projected = 0;  // sum of w q . R p
    for (int a = 0; a < 3; ++a) {
        for (int b = 0; b < 3; ++b)
            projected += r[a][b] * m[b][a];
    }
    const float scale = fmaxf(projected / pp, 1e-6f);  // pixels per centimetre
    const float focal = o.focal > 0 ? o.focal : 0.5f * o.frame_height / tanf(0.5f * 63.0f * 0.01745329252f);
    float t[3];
    for (int a = 0; a < 3; ++a)
        t[a] = qm[a] - scale * (r[a][0] * pm[0] + r[a][1] * pm[1] + r[a][2] * pm[2]);

    head_pose pose;
    constexpr float degrees = 57.295779513f;
    pose.yaw = atan2f(r[0][2], r[2][2]) * degrees;
    pose.pitch = asinf(fmaxf(-1.0f, fminf(1.0f, r[1][2]))) * degrees;
    pose.roll = -atan2f(r[1][0], r[1][1]) * degrees;
    const float position[3] = {(t[0] - 0.5f * o.frame_width) / scale, (t[1] + 0.5f * o.frame_height) / scale,
                               -focal / scale};
    float* out = &pose.matrix[0];
    for (int a = 0; a < 3; ++a) {
        for (int b = 0; b < 3; ++b)
            out[4 * a + b] = r[a][b];
        out[4 * a + 3] = position[a];
    }
    out[12] = out[13] = out[14] = 0;
    out[15] = 1;
    return pose;
}

// Where to look for this face in the next frame: the square around its mesh, along the eyes' line (landmarks 33 and 263
// are the outer corners of the person's right and left eye).
FACEFLOW_HD inline region region_of(const point3* landmarks, float region_scale) {
    const float dx = landmarks[263].x - landmarks[33].x, dy = landmarks[263].y - landmarks[33].y;
    const float angle = dx == 0 && dy == 0 ? 0.0f : atan2f(dy, dx);
    const float c = cosf(angle), s = sinf(angle);
    float low_x = 1e30f, high_x = -1e30f, low_y = 1e30f, high_y = -1e30f;
    for (int i = 0; i < landmark_count; ++i) {
        const float x = c * landmarks[i].x + s * landmarks[i].y, y = -s * landmarks[i].x + c * landmarks[i].y;
        low_x = fminf(low_x, x);
        high_x = fmaxf(high_x, x);
        low_y = fminf(low_y, y);
        high_y = fmaxf(high_y, y);
    }
    const float mx = 0.5f * (low_x + high_x), my = 0.5f * (low_y + high_y);
    return {c * mx - s * my, s * mx + c * my, fmaxf(high_x - low_x, high_y - low_y) * region_scale, angle};
}

// Moves a face's box with the region around its mesh: translated, rotated and scaled with it. Its keypoints are the
// mesh's own.
FACEFLOW_HD inline void move_with_mesh(detection& d, const region& to, const point3* landmarks) {
    const region& from = d.seen;
    const float k = from.size > 0 ? to.size / from.size : 1.0f;
    const float c = cosf(to.angle - from.angle) * k, s = sinf(to.angle - from.angle) * k;
    const float x = d.box.x + 0.5f * d.box.width - from.cx, y = d.box.y + 0.5f * d.box.height - from.cy;
    const float cx = to.cx + c * x - s * y, cy = to.cy + s * x + c * y;
    d.box = {cx - 0.5f * k * d.box.width, cy - 0.5f * k * d.box.height, k * d.box.width, k * d.box.height};
    const auto between = [&](int a, int b) -> point {
        return {0.5f * (landmarks[a].x + landmarks[b].x), 0.5f * (landmarks[a].y + landmarks[b].y)};
    };
    d.keypoints[0] = between(33, 133);
    d.keypoints[1] = between(362, 263);
    d.keypoints[2] = between(1, 1);
    d.keypoints[3] = between(61, 61);
    d.keypoints[4] = between(291, 291);
}

// The region for the next frame: a step from the one that was used towards the one around its mesh, the larger the
// further they are apart. Landmarks lie where the region was, so the step causes no lag in them: it only keeps the
// noise of one mesh out of the pixels that the next one sees.
FACEFLOW_HD inline region next_region(const region& used, const region& seen) {
    constexpr float least = 0.05f;                             // of the way
    constexpr float far = 0.05f, grown = 0.1f, turned = 0.1f;  // from here on, all of it: of the size, ratio, radians
    constexpr float pi = 3.14159265f;
    if (!(used.size > 0) || !(seen.size > 0)) return seen;
    const float dx = seen.cx - used.cx, dy = seen.cy - used.cy;
    float turn = seen.angle - used.angle;
    turn = turn > pi ? turn - 2 * pi : turn < -pi ? turn + 2 * pi : turn;
    const float off = fmaxf(sqrtf(dx * dx + dy * dy) / (far * used.size),
                            fmaxf(fabsf(seen.size / used.size - 1) / grown, fabsf(turn) / turned));
    if (!(off < 1)) return seen;
    const float step = least + (1 - least) * off;
    return {used.cx + step * dx, used.cy + step * dy, used.size + step * (seen.size - used.size),
            used.angle + step * turn};
}

// 1 if a mesh lies on its detection's eyes and nose, 0 if it lies elsewhere: then it is not a mesh of that face,
// whatever the model's score. Profiles, and faces that turned since detection, are off by at most a third of the face's
// side.
FACEFLOW_HD inline float agreement(const detection& found, const point3* landmarks) {
    constexpr float still_the_face = 0.35f, another_place = 0.6f;
    const auto off = [&](const point& k, int a, int b) {
        const float x = 0.5f * (landmarks[a].x + landmarks[b].x) - k.x;
        const float y = 0.5f * (landmarks[a].y + landmarks[b].y) - k.y;
        return sqrtf(x * x + y * y);
    };
    // The corners of each eye, and the tip of the nose.
    const float mean =
        (off(found.keypoints[0], 33, 133) + off(found.keypoints[1], 362, 263) + off(found.keypoints[2], 1, 1)) / 3;
    const float side = fmaxf(found.box.width, found.box.height);
    const float share = (another_place - mean / side) / (another_place - still_the_face);
    return share >= 1 ? 1.0f : share > 0 ? share : 0.0f;  // 0 for NaN, too
}

// Fills one record, but for its quality, with one block; the result does not depend on its number of threads. `mesh`:
// 478 x (x, y, z) in model input pixels; `presence_logit`: the model's raw score.
template <class Block>
FACEFLOW_HD void make_record(Block block, const detection& found, const float* mesh, float presence_logit,
                             const pose_basis& basis, const mesh_options& o, face_record* out) {
    const affine map = frame_from_region(found.area, o.model_size);
    const float depth = found.area.size / o.model_size;
    for (int i = block.thread(); i < landmark_count; i += block.threads()) {
        const point p = map({mesh[3 * i], mesh[3 * i + 1]});
        out->landmarks[i] = {p.x, p.y, mesh[3 * i + 2] * depth};
    }
    for (int i = block.thread(); i < blendshape_count; i += block.threads())
        out->blendshapes[i] = not_measured;
    block.sync();
    if (block.thread() != 0) return;
    out->found = found;
    out->presence = detail::logistic(presence_logit) * agreement(found, out->landmarks);
    const region seen = region_of(out->landmarks, o.region_scale);
    if (found.followed > 0) {
        move_with_mesh(out->found, seen, out->landmarks);
    } else if (o.mouth_from_mesh) {  // landmarks 61 and 291: the mouth's corners, the person's right first
        out->found.keypoints[3] = {out->landmarks[61].x, out->landmarks[61].y};
        out->found.keypoints[4] = {out->landmarks[291].x, out->landmarks[291].y};
    }
    out->found.seen = seen;
    out->pose = pose_of(out->landmarks, basis, o);
}

// Updates the headers of a pass before its records [first, first + capacity) are written. One thread.
FACEFLOW_HD inline void begin_results(const face_table& faces, std::int32_t first, std::int32_t capacity,
                                      const pass_results& results) {
    std::int32_t before = 0;
    for (std::int32_t f = 0; f < faces.frames; ++f) {
        const detection_set& found = *faces.of[f];
        const std::int32_t room = first + capacity - before;
        const std::int32_t filled = room < 0 ? 0 : room < found.count ? room : found.count;
        results.headers[f] = {found.count, filled, before, found.overflow};
        before += found.count;
    }
}

namespace detail {

// Whether a record's face is looked for in the next frame. Of two meshes on one face, the better one is.
FACEFLOW_HD inline bool goes_on(const face_record* records, std::int32_t count, std::int32_t i, float min_presence) {
    constexpr float one_face = 0.5f;  // overlap of the boxes of two meshes
    const face_record& r = records[i];
    if (!(r.presence >= min_presence)) return false;
    for (std::int32_t k = 0; k < count; ++k) {
        const face_record& other = records[k];
        const bool better = other.presence > r.presence || (other.presence == r.presence && k < i);
        if (k != i && better && intersection_over_union(other.found.box, r.found.box) > one_face) return false;
    }
    return true;
}

}  // namespace detail

// Where to look for the faces of frame `frame` of a pass in the next frame of its source: at their meshes. Drops faces
// whose presence is below `min_presence`. Does nothing without `faces`, and while records of the frame are still to come
// in a second round. With one block; the result does not depend on its number of threads.
template <class Block>
FACEFLOW_HD void propagate_faces(Block block, const pass_results& before, std::int32_t frame, float min_presence,
                                 detection_set* faces) {
    const result_header& header = before.headers[frame];
    if (faces == nullptr || header.filled < header.count) return;
    const face_record* records = before.records() + header.first;
    detection* const items = faces->items();
    constexpr float dropped = -1;  // for `followed`
    for (std::int32_t i = block.thread(); i < header.filled; i += block.threads()) {
        detection next = records[i].found;
        next.area = next_region(next.area, next.seen);
        next.followed = detail::goes_on(records, header.filled, i, min_presence) ? next.followed + 1 : dropped;
        items[i] = next;
    }
    block.sync();
    if (block.thread() != 0) return;
    std::int32_t kept = 0;
    for (std::int32_t i = 0; i < header.filled; ++i) {
        if (items[i].followed == dropped) continue;
        if (kept != i) items[kept] = items[i];
        ++kept;
    }
    faces->count = kept;
    faces->overflow = 0;
}

}  // namespace faceflow::internal::vision
