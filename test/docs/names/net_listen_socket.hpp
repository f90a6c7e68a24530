#pragma once

// compile only: net::listen_socket web
