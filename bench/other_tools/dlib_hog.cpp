// SPDX-License-Identifier: Apache-2.0
// dlib's HOG face detector (faces from 80 px on) and, when a model is given, its 68 landmarks of each face.
//   dlib_hog WIDTH HEIGHT [shape_predictor_68_face_landmarks.dat] < gray frames
#include <dlib/array2d.h>
#include <dlib/image_processing/frontal_face_detector.h>
#include <dlib/image_processing/shape_predictor.h>

#include <cstring>

#include "raw_frames.hpp"

int main(int argc, char** argv) {
    if (argc < 3) return 2;
    const int width = std::atoi(argv[1]), height = std::atoi(argv[2]);
    auto detector = dlib::get_frontal_face_detector();
    dlib::shape_predictor points;
    if (argc > 3) dlib::deserialize(argv[3]) >> points;
    dlib::array2d<unsigned char> picture(height, width);
    return over_frames(width, height, [&](const unsigned char* pixels) {
        for (int row = 0; row < height; ++row)
            std::memcpy(&picture[row][0], pixels + static_cast<std::size_t>(row) * width,
                        static_cast<std::size_t>(width));
        std::vector<found_box> boxes;
        for (const auto& f : detector(picture)) {
            if (argc > 3 && points(picture, f).num_parts() != 68) std::abort();
            boxes.push_back({f.left(), f.top(), static_cast<long>(f.width()), static_cast<long>(f.height())});
        }
        return boxes;
    });
}
