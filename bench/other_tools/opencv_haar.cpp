// SPDX-License-Identifier: Apache-2.0
// OpenCV's Haar cascade with the parameters of its own samples, on all cores.
//   opencv_haar WIDTH HEIGHT CASCADE.xml < gray frames
#include <opencv2/imgproc.hpp>
#include <opencv2/objdetect.hpp>

#include "raw_frames.hpp"

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    const int width = std::atoi(argv[1]), height = std::atoi(argv[2]);
    cv::CascadeClassifier cascade;
    if (!cascade.load(argv[3])) return 1;
    return over_frames(width, height, [&](unsigned char* pixels) {
        const cv::Mat gray(height, width, CV_8UC1, pixels);
        cv::Mat even;
        cv::equalizeHist(gray, even);
        std::vector<cv::Rect> faces;
        cascade.detectMultiScale(even, faces, 1.1, 3, 0, cv::Size(80, 80));
        std::vector<found_box> boxes;
        for (const auto& f : faces)
            boxes.push_back({f.x, f.y, f.width, f.height});
        return boxes;
    });
}
