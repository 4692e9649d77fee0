// SPDX-License-Identifier: Apache-2.0
// Faces from a program's own memory: reads a binary PPM picture (P6) and prints where its faces are.
//
//     ffmpeg -i portrait.jpg -frames:v 1 portrait.ppm && ./faceflow_example_from_memory portrait.ppm
#include <faceflow/faceflow.hpp>

#include <cstdio>
#include <fstream>
#include <vector>

int main(int argc, char** argv) {
    std::ifstream file(argc > 1 ? argv[1] : "", std::ios::binary);
    std::string magic;
    faceflow::image picture{.format = faceflow::pixel_format::rgb24};
    int peak = 0;
    if (!(file >> magic >> picture.width >> picture.height >> peak) || magic != "P6" || peak != 255) {
        std::fprintf(stderr, "usage: %s PICTURE.ppm\n", argv[0]);
        return 2;
    }
    file.ignore(1);
    std::vector<std::uint8_t> pixels(3UL * static_cast<std::size_t>(picture.width) *
                                     static_cast<std::size_t>(picture.height));
    file.read(reinterpret_cast<char*>(pixels.data()), static_cast<std::streamsize>(pixels.size()));
    picture.planes[0] = {pixels.data(), 3 * picture.width};

    faceflow::options options;
    options.detector = faceflow::detector::blazeface;
    auto engine = faceflow::engine::create(options);
    if (!engine) return std::fprintf(stderr, "%s\n", engine.error().message.c_str()), 1;
    if (auto pushed = engine->push(picture, 0); !pushed)
        return std::fprintf(stderr, "%s\n", pushed.error().message.c_str()), 1;
    auto found = engine->next();
    if (!found) return std::fprintf(stderr, "%s\n", found.error().message.c_str()), 1;
    for (const auto& face : (*found)->faces) {
        std::printf("face at %.0f, %.0f, %.0f x %.0f; yaw %.0f, pitch %.0f, roll %.0f\n", face.box.x, face.box.y,
                    face.box.width, face.box.height, face.pose.yaw, face.pose.pitch, face.pose.roll);
    }
}
